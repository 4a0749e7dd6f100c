-- purpose: Makes a session live on this server; what waits for it stays.
-- flags: none: it leads to open gates
-- KEYS: session inbox
-- ARGV:
-- reply: 1
-- writes: session
local session, inbox = unpack(KEYS)

ready({ session, 'hash', 'HSET', 'HINCRBY' }, { inbox, 'hash' })
local _, run, promoted = ours()
redis.call('HSET', session, 'run', run, 'promoted', promoted)
redis.call('HINCRBY', session, 'beat', 1)
return 1
