-- purpose: Everything that is known of a call, at one moment.
-- KEYS: call holders tallies life
-- ARGV:
-- reply: value or nil, version or nil, holders as session, epoch..., tallies as name, JSON..., now, born
-- writes: life
local call, holders, tallies, life = unpack(KEYS)

local at = now()
local _, born = lifeOf(life, at)
local stored = redis.call('HMGET', call, 'value', 'version')
return {
  stored[1],
  stored[2],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(at),
  born,
}
