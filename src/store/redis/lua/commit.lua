-- purpose: Swaps the state of a call and appends its evidence, if the version is the expected one.
-- KEYS: call holders tallies outbox born census heard
-- ARGV: operation version state epoch binding value record dropTallies retentionMs id listed
-- reply: 1 done, now or by an earlier run of the same operation; 0 the version is another
-- writes: call holders tallies outbox born census heard
local call, holders, tallies, outbox, born, census, heard = unpack(KEYS)
local operation, version, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed = unpack(ARGV)

local at = now()
mark(born, at)
local stored = redis.call('HMGET', call, 'operation', 'version', 'state')
if stored[1] == operation then return 1 end
if (stored[2] or '0') ~= version then return 0 end

-- Versions follow the clock, so that one from before a loss of data never fits afterwards.
local following = decimal(math.max(tonumber(version) + 1, at))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
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
