-- purpose: Puts a revocation into the inbox of a session, and wakes it.
-- flags: allow-oom, since a stop needs it
-- KEYS: session inbox
-- ARGV: call epoch channel message
-- reply: the session's counter, by which the caller sees whether it lives; nil: there is no such session
-- writes: inbox
local session, inbox = unpack(KEYS)
local call, epoch, channel, message = unpack(ARGV)

ready({ session, 'hash' }, { inbox, 'hash', 'HSET' })
local beat = redis.call('HGET', session, 'beat')
if not beat then return false end
local revoked = redis.call('HGET', inbox, call)
if not revoked or tonumber(revoked) < tonumber(epoch) then redis.call('HSET', inbox, call, epoch) end
-- Only a hint: a server that forbids channels must not undo the revocation.
redis.pcall('PUBLISH', channel, message)
return beat
