-- purpose: Names the sink of the evidence, if none is named.
-- flags: allow-oom, since evidence that is written makes room
-- KEYS: sink
-- ARGV: wanted
-- reply: the sink
-- writes: sink
local sink = unpack(KEYS)
local wanted = unpack(ARGV)

ready({ sink, 'string', 'SET' })
local claimed = redis.call('GET', sink)
if claimed then return claimed end
redis.call('SET', sink, wanted)
return wanted
