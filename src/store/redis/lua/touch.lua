-- purpose: Begins the life of a shard, if it must, so that its first call does not look like a fresh start.
-- KEYS: life
-- ARGV: kept
-- reply: when this life began, ms
-- writes: life
local life = unpack(KEYS)
local kept = unpack(ARGV)

local began = lifeOf(life, now())
-- Whether the server keeps over a restart whatever it acknowledges; empty: the caller does not know.
if kept ~= '' then redis.call('HSET', life, 'kept', kept) end
return began
