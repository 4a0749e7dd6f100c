-- purpose: Everything that is known of a call, at one moment.
-- flags: allow-oom, since a stop begins with it
-- KEYS: call holders tallies shard mark
-- ARGV: seen elapsed
-- reply: value or nil, version or nil, the life of its epoch or nil, holders as session, text..., tallies as name, JSON..., then time, clock, watched, life, fenced and settled of the shard
-- writes: shard mark
local call, holders, tallies, shard, mark = unpack(KEYS)
local seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local stored = redis.call('HMGET', call, 'value', 'version', 'life')
return {
  stored[1],
  stored[2],
  stored[3],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(known.time),
  decimal(known.clock),
  decimal(known.watched),
  known.life,
  known.fenced,
  known.settled and 1 or 0,
}
