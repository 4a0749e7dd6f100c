-- purpose: Puts a revocation into the inbox of a session that lives, and wakes it.
-- KEYS: session inbox
-- ARGV: call epoch channel message
-- reply: 1 it will be seen; 0 there is no such session
-- writes: inbox
local session, inbox = unpack(KEYS)
local call, epoch, channel, message = unpack(ARGV)

local expires = redis.call('PEXPIRETIME', session)
if expires < 0 then return 0 end
local revoked = redis.call('HGET', inbox, call)
if not revoked or tonumber(revoked) < tonumber(epoch) then redis.call('HSET', inbox, call, epoch) end
-- One millisecond longer: the session may still be extended at the very moment it would expire.
redis.call('PEXPIREAT', inbox, expires + 1)
-- Only a hint: a server that forbids channels must not undo the revocation.
redis.pcall('PUBLISH', channel, message)
return 1
