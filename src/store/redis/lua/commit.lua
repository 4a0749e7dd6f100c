-- purpose: Swaps the state of a call and appends its evidence, if the version is the expected one.
-- flags: none, or allow-oom where the event closes: a store that is full opens nothing and takes every stop
-- KEYS: call tallies outbox shard mark census activity retained
-- ARGV: operation version life state epoch binding value record dropTallies retentionMs id listed open seen elapsed channel part
-- reply: 1 done, now or by an earlier run of the same operation; 0 the version, or the life that it was read in, is another
-- writes: call tallies outbox shard mark census activity retained
local call, tallies, outbox, shard, mark, census, activity, retained = unpack(KEYS)
local operation, version, life, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed, open, seen, elapsed, channel, part = unpack(ARGV)

ready({ call, 'hash', 'HSET' }, { tallies, 'hash', 'DEL' }, { outbox, 'stream', 'XADD' },
  { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { census, 'hash', 'HINCRBY' },
  { activity, 'zset', 'ZADD', 'ZREM' }, { retained, 'zset', 'ZADD', 'ZREM' })
local stored = redis.call('HMGET', call, 'operation', 'version', 'state', 'epoch')
if stored[1] == operation then return 1 end
local counts = redis.call('HMGET', census, stored[3] or state, state)
for _, count in ipairs(counts) do
  if count and not tonumber(count) then error({ err = 'ERR the census holds something that is no number' }) end
end
local known = shardNow(shard, mark, seen, elapsed)
-- What it was computed from may not be so any more, though the version fits.
if known.life ~= life then return 0 end
if (stored[2] or '0') ~= version then return 0 end

-- Two starts in one millisecond: the second epoch is ahead of the clock. No epoch is ahead of protocol time.
known.time = math.max(known.time, tonumber(epoch))
keepTimes(shard, known)
-- Versions follow protocol time, so that one from before a loss of data never fits afterwards.
local following = decimal(math.max(tonumber(version) + 1, known.time))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
-- An epoch opens in the life of the store that it was begun in, and in no other.
if stored[4] ~= epoch then redis.call('HSET', call, 'life', life) end
if state == open and stored[3] ~= open then
  redis.call('HSET', call, 'opened', string.format('%s %s', epoch, fraction(known.time)))
end
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
-- Only a hint: a server that forbids channels must not undo the change.
redis.pcall('PUBLISH', channel, part)
if listed == '1' then
  redis.call('ZADD', activity, fraction(known.watched), id)
else
  redis.call('ZREM', activity, id)
end
if retentionMs == '' then
  redis.call('ZREM', retained, id)
else
  redis.call('ZADD', retained, fraction(known.watched + retentionMs), id)
end
return 1
