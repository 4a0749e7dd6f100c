-- purpose: Swaps the state of a call and appends its evidence, if the version is the expected one.
-- KEYS: call holders tallies outbox life census heard
-- ARGV: operation version state epoch binding value record dropTallies retentionMs id listed readAt channel shard
-- reply: 1 done, now or by an earlier run of the same operation; 0 the version, or the life that it was read in, is another
-- writes: call holders tallies outbox life census heard
local call, holders, tallies, outbox, life, census, heard = unpack(KEYS)
local operation, version, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed, readAt, channel, shard = unpack(ARGV)

local at = now()
local began = lifeOf(life, at)
local stored = redis.call('HMGET', call, 'operation', 'version', 'state', 'epoch')
if stored[1] == operation then return 1 end
-- What it was computed from may not be so any more, though the version fits.
if tonumber(readAt) < tonumber(began) then return 0 end
if (stored[2] or '0') ~= version then return 0 end

-- Versions follow the clock, so that one from before a loss of data never fits afterwards.
local following = decimal(math.max(tonumber(version) + 1, at))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
-- An epoch opens in the life of the store that it was begun in, and in no other.
if stored[4] ~= epoch then redis.call('HSET', call, 'life', began) end
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
-- Only a hint: a server that forbids channels must not undo the change.
redis.pcall('PUBLISH', channel, shard)
if listed == '1' then
  redis.call('ZADD', heard, decimal(at), id)
else
  redis.call('ZREM', heard, id)
end
-- One moment for all three keys: Redis 7.0 looks at the clock anew with every PEXPIRE.
for _, key in ipairs({ call, holders, tallies }) do
  if retentionMs == '' then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIREAT', key, decimal(at + retentionMs))
  end
end
return 1
