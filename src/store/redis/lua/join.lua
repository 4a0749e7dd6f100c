-- purpose: Makes a session live for its time from now on, on this server; what waits for it lives as long.
-- KEYS: session inbox
-- ARGV: ttlMs
-- reply: 1
-- writes: session inbox
local session, inbox = unpack(KEYS)
local ttlMs = unpack(ARGV)

local _, run, promoted = ours(session)
-- Not only if it is new: joining twice must not leave less time than the second caller counts on (rule R4).
redis.call('HSET', session, 'run', run, 'promoted', promoted)
redis.call('PEXPIRE', session, ttlMs)
redis.call('PEXPIRE', inbox, ttlMs)
return 1
