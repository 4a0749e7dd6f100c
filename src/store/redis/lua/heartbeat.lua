-- purpose: Extends a session by moving its counter and returns what waits in its inbox, minus what is done, in one step (rule R4).
-- flags: none: a store that is full extends no session
-- KEYS: session inbox
-- ARGV: done
-- reply: nil if the session is gone or was joined on another server; else the server's clock, and the inbox as call, epoch...
-- writes: session inbox
local session, inbox = unpack(KEYS)
local done = unpack(ARGV)

ready({ session, 'hash', 'HINCRBY' }, { inbox, 'hash', 'HDEL' })
-- A session that was copied may have been copied without its holders.
local known = redis.call('HMGET', session, 'run', 'promoted')
if not ours(known[1], known[2]) then return false end
redis.call('HINCRBY', session, 'beat', 1)
for call, epoch in pairs(cjson.decode(done)) do
  local revoked = redis.call('HGET', inbox, call)
  if revoked and tonumber(revoked) <= epoch then redis.call('HDEL', inbox, call) end
end
return { fraction(clockNow()), redis.call('HGETALL', inbox) }
