-- purpose: Notes that something was heard of calls just now, as far as they are listed.
-- flags: none: it may wait
-- KEYS: shard mark heard
-- ARGV: ids seen elapsed
-- reply: 1
-- writes: shard mark heard
local shard, mark, heard = unpack(KEYS)
local ids, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { heard, 'zset', 'ZADD' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local at = fraction(known.watched)
-- One by one: a list of any length does not fit the arguments of one command.
for _, id in ipairs(cjson.decode(ids)) do redis.call('ZADD', heard, 'XX', at, id) end
return 1
