-- purpose: Begins the life of a shard, if it must, so that its first call does not look like a fresh start; and proves that the shard takes writes.
-- flags: none: a session that holds calls in a shard that is full is not extended
-- KEYS: shard mark
-- ARGV: kept seen elapsed
-- reply: time, life, fenced and settled of the shard
-- writes: shard mark
local shard, mark = unpack(KEYS)
local kept, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
-- Whether the server keeps over a restart whatever it acknowledges; empty: the caller does not know.
if kept ~= '' then redis.call('HSET', shard, 'kept', kept) end
return { decimal(known.time), known.life, known.fenced, known.settled and 1 or 0 }
