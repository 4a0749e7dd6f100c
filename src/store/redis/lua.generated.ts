// Written by lua/build.mjs from the files in lua/; change those.
const prelude = `local function decimal(number)
  return string.format('%.0f', number)
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function mark(born, at)
  local known = redis.call('GET', born)
  if known then return known end
  redis.call('SET', born, decimal(at))
  return decimal(at)
end
local function follow(key, leader)
  local at = redis.call('PEXPIRETIME', leader)
  if at > 0 then redis.call('PEXPIREAT', key, at) end
end`;

/** The source of each script, by name. */
export const lua = {
  acquire: `${prelude}
local call, holders, born = unpack(KEYS)
local session, open = unpack(ARGV)
mark(born, now())
local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding')
if not stored[1] then return false end
if stored[1] ~= open then return { stored[1] } end
redis.call('HSET', holders, session, stored[2])
follow(holders, call)
return stored`,
  commit: `${prelude}
local call, holders, tallies, outbox, born, census, heard = unpack(KEYS)
local operation, version, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed = unpack(ARGV)
local at = now()
mark(born, at)
local stored = redis.call('HMGET', call, 'operation', 'version', 'state')
if stored[1] == operation then return 1 end
if (stored[2] or '0') ~= version then return 0 end
local following = decimal(math.max(tonumber(version) + 1, at))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
if listed == '1' then
  redis.call('ZADD', heard, decimal(at), id)
else
  redis.call('ZREM', heard, id)
end
for _, key in ipairs({ call, holders, tallies }) do
  if retentionMs == '' then
    redis.call('PERSIST', key)
  else
    redis.call('PEXPIREAT', key, decimal(at + retentionMs))
  end
end
return 1`,
  forget: `${prelude}
local call, heard = unpack(KEYS)
local id = unpack(ARGV)
if redis.call('EXISTS', call) == 1 then return 0 end
redis.call('ZREM', heard, id)
return 1`,
  heard: `${prelude}
local heard = unpack(KEYS)
local ids = unpack(ARGV)
local at = decimal(now())
for _, id in ipairs(cjson.decode(ids)) do redis.call('ZADD', heard, 'XX', at, id) end
return 1`,
  heartbeat: `${prelude}
local session, inbox = unpack(KEYS)
local ttlMs, done = unpack(ARGV)
if redis.call('PEXPIRE', session, ttlMs) == 0 then return false end
for call, epoch in pairs(cjson.decode(done)) do
  local revoked = redis.call('HGET', inbox, call)
  if revoked and tonumber(revoked) <= epoch then redis.call('HDEL', inbox, call) end
end
redis.call('PEXPIRE', inbox, ttlMs)
return redis.call('HGETALL', inbox)`,
  join: `${prelude}
local session, inbox = unpack(KEYS)
local ttlMs = unpack(ARGV)
redis.call('SET', session, '1', 'PX', ttlMs)
redis.call('PEXPIRE', inbox, ttlMs)
return 1`,
  lease: `${prelude}
local lease = unpack(KEYS)
local owner, forMs = unpack(ARGV)
local holder = redis.call('GET', lease)
if holder and holder ~= owner then return 0 end
redis.call('SET', lease, owner, 'PX', forMs)
return 1`,
  leave: `${prelude}
local call, holders, tallies = unpack(KEYS)
local session, epoch, name, tally, how = unpack(ARGV)
if redis.call('EXISTS', call) == 0 then return 0 end
local held = redis.call('HGET', holders, session)
if held and tonumber(held) <= tonumber(epoch) then redis.call('HDEL', holders, session) end
redis.call(how, tallies, name, tally)
follow(tallies, call)
return 1`,
  read: `${prelude}
local call, holders, tallies, born = unpack(KEYS)
local at = now()
local stored = redis.call('HMGET', call, 'value', 'version')
return {
  stored[1],
  stored[2],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(at),
  mark(born, at),
}`,
  release: `${prelude}
local lease = unpack(KEYS)
local owner = unpack(ARGV)
if redis.call('GET', lease) ~= owner then return 0 end
return redis.call('DEL', lease)`,
  revoke: `${prelude}
local session, inbox = unpack(KEYS)
local call, epoch, channel = unpack(ARGV)
local expires = redis.call('PEXPIRETIME', session)
if expires < 0 then return 0 end
local revoked = redis.call('HGET', inbox, call)
if not revoked or tonumber(revoked) < tonumber(epoch) then redis.call('HSET', inbox, call, epoch) end
redis.call('PEXPIREAT', inbox, expires + 1)
redis.pcall('PUBLISH', channel, call)
return 1`,
  silent: `${prelude}
local heard = unpack(KEYS)
local forMs, limit = unpack(ARGV)
local latest = decimal(now() - forMs)
return redis.call('ZRANGE', heard, '-inf', latest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')`,
  touch: `${prelude}
local born = unpack(KEYS)
return mark(born, now())`,
} as const;
