-- purpose: Makes a session live for its time from now on; what waits for it lives as long.
-- KEYS: session inbox
-- ARGV: ttlMs
-- reply: 1
-- writes: session inbox
local session, inbox = unpack(KEYS)
local ttlMs = unpack(ARGV)

-- Not only if it is new: joining twice must not leave less time than the second caller counts on (rule R4).
redis.call('SET', session, '1', 'PX', ttlMs)
redis.call('PEXPIRE', inbox, ttlMs)
return 1
