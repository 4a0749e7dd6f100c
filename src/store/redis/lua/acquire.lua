-- purpose: Adds a session to the holders of a call, if the call is in the state that allows it.
-- flags: none: a store that is full admits nobody
-- KEYS: call holders shard mark
-- ARGV: session ttlMs graphTimeoutMs open seen elapsed
-- reply: nil for a call that is unknown or was opened in an earlier life; else its state and, if the session now holds it, epoch, binding, the time of the shard, and how long ago in it the epoch was opened (-1: not known)
-- writes: holders shard mark
local call, holders, shard, mark = unpack(KEYS)
local session, ttlMs, graphTimeoutMs, open, seen, elapsed = unpack(ARGV)

ready({ holders, 'hash', 'HSET' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding', 'life', 'opened')
if not stored[1] then return false end
if stored[1] ~= open then return { stored[1] } end
-- Its stop may be among what was forgotten.
if stored[4] ~= known.life then return false end
redis.call('HSET', holders, session, string.format('%s %s %s', stored[2], ttlMs, graphTimeoutMs))
-- An earlier build does not note when it opens an epoch.
local opened, since = string.match(stored[5] or '', '^(%S+) (%S+)$')
local age = opened == stored[2] and math.max(0, known.time - tonumber(since)) or -1
return { stored[1], stored[2], stored[3], decimal(known.time), decimal(age) }
