-- purpose: Swaps the holds of the store and appends the line of the change, if the number is the expected one.
-- flags: none, or allow-oom where a hold is set: a store that is full takes every hold, and refuses what leads to open gates
-- KEYS: holds outbox shard mark
-- ARGV: operation number life following value line seen elapsed evidence part channel
-- reply: nil: the number or the life is another, or there is a line and nobody has read the holds in this life; else the id of its entry in the outbox, empty where there is none
-- writes: holds outbox shard mark
local holds, outbox, shard, mark = unpack(KEYS)
local operation, number, life, following, value, line, seen, elapsed, evidence, part, channel = unpack(ARGV)

ready({ holds, 'hash', 'HSET' }, { outbox, 'stream', 'XADD' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local stored = redis.call('HMGET', holds, 'operation', 'number', 'life', 'entry')
if stored[1] == operation then return stored[4] end
local known = shardNow(shard, mark, seen, elapsed)
if known.life ~= life or (stored[2] or '0') ~= number then return false end
if line ~= '' and stored[3] ~= life then return false end

keepTimes(shard, known)
local entry = line == '' and '' or redis.call('XADD', outbox, '*', 'hold', line)
redis.call('HSET', holds, 'operation', operation, 'number', following, 'life', life, 'value', value, 'entry', entry)
-- Only hints: a server that forbids channels must not undo the change.
redis.pcall('PUBLISH', evidence, part)
redis.pcall('PUBLISH', channel, following)
return entry
