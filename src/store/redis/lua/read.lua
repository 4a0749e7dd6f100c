-- purpose: Everything that is known of a call, at one moment.
-- KEYS: call holders tallies born
-- ARGV:
-- reply: value or nil, version or nil, holders as session, epoch..., tallies as name, JSON..., now, born
-- writes: born
local call, holders, tallies, born = unpack(KEYS)

local at = now()
local stored = redis.call('HMGET', call, 'value', 'version')
return {
  stored[1],
  stored[2],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(at),
  mark(born, at),
}
