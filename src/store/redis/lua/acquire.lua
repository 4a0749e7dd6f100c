-- purpose: Adds a session to the holders of calls of one shard, of each that is in the state that allows it.
-- flags: none: a store that is full admits nobody
-- KEYS: call holders shard mark
-- ARGV: session ttlMs graphTimeoutMs open seen elapsed
-- reply: for each call: nil where it is unknown or was opened in an earlier life; else its state and, if the session now holds it, epoch, binding, the time of the shard, and how long ago in it the epoch was opened (-1: not known)
-- writes: holders shard mark
local call, holders, shard, mark = unpack(KEYS)
local session, ttlMs, graphTimeoutMs, open, seen, elapsed = unpack(ARGV)

-- Behind these keys come those of further calls, two for each.
ready({ call, 'hash' }, { holders, 'hash', 'HSET' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
for n = 5, #KEYS, 2 do
  ready({ KEYS[n], 'hash' }, { KEYS[n + 1], 'hash', 'HSET' })
end
local known = shardNow(shard, mark, seen, elapsed)

local function acquire(call, holders)
  local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding', 'life', 'opened')
  if not stored[1] then return false end
  if stored[1] ~= open then return { stored[1] } end
  -- Its stop may be among what was forgotten.
  if stored[4] ~= known.life then return false end
  redis.call('HSET', holders, session, string.format('%s %s %s', stored[2], ttlMs, graphTimeoutMs))
  local opened, since = string.match(stored[5] or '', '^(%S+) (%S+)$')
  local age = opened == stored[2] and math.max(0, known.time - tonumber(since)) or -1
  return { stored[1], stored[2], stored[3], decimal(known.time), decimal(age) }
end

local replies = { acquire(call, holders) }
for n = 5, #KEYS, 2 do
  replies[#replies + 1] = acquire(KEYS[n], KEYS[n + 1])
end
return replies
