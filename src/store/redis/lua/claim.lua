-- purpose: Says to which sink the evidence of this store goes: the first to ask decides, or who names the one before.
-- KEYS: sink
-- ARGV: wanted insteadOf
-- reply: the sink
-- writes: sink
local sink = unpack(KEYS)
local wanted, insteadOf = unpack(ARGV)

local claimed = redis.call('GET', sink)
if claimed and claimed ~= insteadOf then return claimed end
redis.call('SET', sink, wanted)
return wanted
