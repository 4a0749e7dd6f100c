-- purpose: Takes a lease that is free, or extends one's own.
-- KEYS: lease
-- ARGV: owner forMs
-- reply: 1 held by the owner; 0 held by another
-- writes: lease
local lease = unpack(KEYS)
local owner, forMs = unpack(ARGV)

local holder = redis.call('GET', lease)
if holder and holder ~= owner then return 0 end
redis.call('SET', lease, owner, 'PX', forMs)
return 1
