-- purpose: Sets the marker of a shard, if it has none, so that its first call does not look like a fresh start.
-- KEYS: born
-- ARGV:
-- reply: when the shard began without data, ms
-- writes: born
local born = unpack(KEYS)

return mark(born, now())
