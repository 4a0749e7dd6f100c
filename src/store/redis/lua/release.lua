-- purpose: Gives up a lease, if it is one's own.
-- KEYS: lease
-- ARGV: owner
-- reply: 1 given up; 0 it was not the owner's
-- writes: lease
local lease = unpack(KEYS)
local owner = unpack(ARGV)

if redis.call('GET', lease) ~= owner then return 0 end
return redis.call('DEL', lease)
