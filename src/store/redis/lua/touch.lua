-- purpose: Records activity now for those of the given calls that are listed.
-- flags: none: it may wait
-- KEYS: shard mark activity
-- ARGV: ids seen elapsed
-- reply: 1
-- writes: shard mark activity
local shard, mark, activity = unpack(KEYS)
local ids, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { activity, 'zset', 'ZADD' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local at = fraction(known.watched)
-- One by one: a list of any length does not fit the arguments of one command.
for _, id in ipairs(cjson.decode(ids)) do redis.call('ZADD', activity, 'XX', at, id) end
return 1
