-- purpose: Extends a session and returns what waits in its inbox, minus what is done, in one step (rule R4).
-- KEYS: session inbox
-- ARGV: ttlMs done
-- reply: nil if the session is gone or was joined on another server; else the inbox as call, epoch...
-- writes: session inbox
local session, inbox = unpack(KEYS)
local ttlMs, done = unpack(ARGV)

-- A session that was copied may have been copied without its holders.
if not ours(session) then return false end
redis.call('PEXPIRE', session, ttlMs)
for call, epoch in pairs(cjson.decode(done)) do
  local revoked = redis.call('HGET', inbox, call)
  if revoked and tonumber(revoked) <= epoch then redis.call('HDEL', inbox, call) end
end
redis.call('PEXPIRE', inbox, ttlMs)
return redis.call('HGETALL', inbox)
