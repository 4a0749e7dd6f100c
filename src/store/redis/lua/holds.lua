-- purpose: The holds of the store; notes what a session acts on, where one is given.
-- flags: allow-oom, since an instance closes by it
-- KEYS: holds acks shard mark
-- ARGV: session acknowledged seen elapsed
-- reply: the holds or nil, 1 where they are known in this life, life and time and fenced and settled of the shard, the server's clock
-- writes: acks shard mark
local holds, acks, shard, mark = unpack(KEYS)
local session, acknowledged, seen, elapsed = unpack(ARGV)

ready({ acks, 'hash', 'HSET' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local stored = redis.call('HMGET', holds, 'value', 'life')
if session ~= '' and redis.call('HGET', acks, session) ~= acknowledged then
  redis.call('HSET', acks, session, acknowledged)
end
return {
  stored[1],
  stored[2] == known.life and 1 or 0,
  known.life,
  decimal(known.time),
  known.fenced,
  known.settled and 1 or 0,
  fraction(known.clock),
}
