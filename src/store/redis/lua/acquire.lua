-- purpose: Adds a session to the holders of a call, if the call is in the state that allows it.
-- KEYS: call holders life
-- ARGV: session open
-- reply: nil for a call that is unknown or was opened in an earlier life; else its state and, if the session now holds it, epoch and binding
-- writes: holders life
local call, holders, life = unpack(KEYS)
local session, open = unpack(ARGV)

local began = lifeOf(life, now())
local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding', 'life')
if not stored[1] then return false end
if stored[1] ~= open then return { stored[1] } end
-- Its stop may be among what was forgotten.
if stored[4] ~= began then return false end
redis.call('HSET', holders, session, stored[2])
follow(holders, call)
return { stored[1], stored[2], stored[3] }
