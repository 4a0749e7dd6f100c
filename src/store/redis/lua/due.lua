-- purpose: The calls of a shard whose retention is over, longest first.
-- flags: allow-oom, since it leads to room
-- KEYS: shard mark retained
-- ARGV: limit seen elapsed
-- reply: the calls as id...
-- writes: shard mark
local shard, mark, retained = unpack(KEYS)
local limit, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
return redis.call('ZRANGE', retained, '-inf', fraction(known.watched), 'BYSCORE', 'LIMIT', 0, limit)
