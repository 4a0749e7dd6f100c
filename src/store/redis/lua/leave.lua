-- purpose: Takes a session off the holders and notes what it did; nothing for a call that is unknown.
-- flags: allow-oom, since a stop waits for it
-- KEYS: call holders tallies
-- ARGV: session epoch name tally how
-- reply: 1 noted; 0 there is no such call
-- writes: holders tallies
local call, holders, tallies = unpack(KEYS)
local session, epoch, name, tally, how = unpack(ARGV)

ready({ holders, 'hash', 'HDEL' }, { tallies, 'hash', how })
if redis.call('EXISTS', call) == 0 then return 0 end
-- A late report must not end a hold of a later epoch.
local held = redis.call('HGET', holders, session)
if held and tonumber(string.match(held, '^%d+')) <= tonumber(epoch) then redis.call('HDEL', holders, session) end
-- `how` is HSET, or HSETNX for a report that knows less than one that may be there.
redis.call(how, tallies, name, tally)
return 1
