-- purpose: The calls of a shard of which nothing was heard for a time, longest silent first.
-- KEYS: heard
-- ARGV: forMs limit
-- reply: the calls as id, time...
-- writes:
local heard = unpack(KEYS)
local forMs, limit = unpack(ARGV)

local latest = decimal(now() - forMs)
return redis.call('ZRANGE', heard, '-inf', latest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')
