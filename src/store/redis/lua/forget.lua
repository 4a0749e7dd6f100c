-- purpose: Takes a call off the list of those that may be silent, if its state has expired.
-- KEYS: call heard
-- ARGV: id
-- reply: 1 it is not listed any more; 0 the call is known
-- writes: heard
local call, heard = unpack(KEYS)
local id = unpack(ARGV)

if redis.call('EXISTS', call) == 1 then return 0 end
redis.call('ZREM', heard, id)
return 1
