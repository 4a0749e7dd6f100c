-- purpose: Forgets a call, if its retention is over.
-- flags: allow-oom, since it makes room
-- KEYS: call holders tallies census activity retained shard mark
-- ARGV: id seen elapsed
-- reply: 1 forgotten; 0 it is to be kept
-- writes: call holders tallies census activity retained shard mark
local call, holders, tallies, census, activity, retained, shard, mark = unpack(KEYS)
local id, seen, elapsed = unpack(ARGV)

ready({ call, 'hash', 'DEL' }, { holders, 'hash', 'DEL' }, { tallies, 'hash', 'DEL' },
  { census, 'hash', 'HINCRBY' }, { activity, 'zset', 'ZREM' }, { retained, 'zset', 'ZREM' },
  { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local over = redis.call('ZSCORE', retained, id)
if not over or tonumber(over) > known.watched then return 0 end
local state = redis.call('HGET', call, 'state')
if state then
  local count = redis.call('HGET', census, state)
  if count and not tonumber(count) then error({ err = 'ERR the census holds something that is no number' }) end
  redis.call('HINCRBY', census, state, -1)
end
redis.call('DEL', call, holders, tallies)
redis.call('ZREM', activity, id)
redis.call('ZREM', retained, id)
return 1
