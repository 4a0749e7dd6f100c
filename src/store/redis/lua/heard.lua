-- purpose: Notes that something was heard of calls just now, as far as they are listed.
-- KEYS: heard
-- ARGV: ids
-- reply: 1
-- writes: heard
local heard = unpack(KEYS)
local ids = unpack(ARGV)

local at = decimal(now())
-- One by one: a list of any length does not fit the arguments of one command.
for _, id in ipairs(cjson.decode(ids)) do redis.call('ZADD', heard, 'XX', at, id) end
return 1
