-- purpose: Lists the calls of a shard that have been idle for a given time, longest idle first.
-- flags: allow-oom, since it leads to the end of calls
-- KEYS: shard mark activity
-- ARGV: forMs limit seen elapsed
-- reply: protocol time, watched time, and the calls as id, watched time...
-- writes: shard mark
local shard, mark, activity = unpack(KEYS)
local forMs, limit, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local latest = fraction(known.watched - forMs)
return {
  fraction(known.time),
  fraction(known.watched),
  redis.call('ZRANGE', activity, '-inf', latest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES'),
}
