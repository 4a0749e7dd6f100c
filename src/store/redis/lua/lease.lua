-- purpose: Takes a free lease, extends the caller's own, or takes over one that was not renewed for its whole duration.
-- flags: allow-oom, since evidence that is written makes room
-- KEYS: lease layout
-- ARGV: owner forMs rival beat stoodMs
-- reply: nil: held by the owner; else by whom, and their counter
-- writes: lease
local lease, layout = unpack(KEYS)
local owner, forMs, rival, beat, stoodMs = unpack(ARGV)

ready({ lease, 'hash', 'HSET', 'HINCRBY' })
-- What an earlier build left is not for this one to write; a store that nobody has joined has no evidence.
if redis.call('GET', layout) ~= format then return { '', '0' } end
local held = redis.call('HMGET', lease, 'owner', 'beat', 'forMs')
local free = not held[1] or held[1] == '' or held[1] == owner
-- `stoodMs` is for how long the caller has seen it stand so, by its own clock.
local lapsed = held[1] == rival and held[2] == beat and tonumber(stoodMs) >= (tonumber(held[3]) or 0)
if not free and not lapsed then return { held[1], held[2] } end
redis.call('HSET', lease, 'owner', owner, 'forMs', forMs)
redis.call('HINCRBY', lease, 'beat', 1)
return false
