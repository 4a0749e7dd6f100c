-- purpose: Adds a session to the holders of a call, if the call is in the state that allows it.
-- KEYS: call holders born
-- ARGV: session open
-- reply: nil for an unknown call; else its state and, if the session now holds it, epoch and binding
-- writes: holders born
local call, holders, born = unpack(KEYS)
local session, open = unpack(ARGV)

mark(born, now())
local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding')
if not stored[1] then return false end
if stored[1] ~= open then return { stored[1] } end
redis.call('HSET', holders, session, stored[2])
follow(holders, call)
return stored
