-- purpose: Gives up a lease, if it is one's own.
-- flags: allow-oom, since another may make room
-- KEYS: lease
-- ARGV: owner
-- reply: 1 given up; 0 it was not the owner's
-- writes: lease
local lease = unpack(KEYS)
local owner = unpack(ARGV)

ready({ lease, 'hash', 'HSET' })
if redis.call('HGET', lease, 'owner') ~= owner then return 0 end
redis.call('HSET', lease, 'owner', '')
return 1
