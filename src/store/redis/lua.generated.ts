// Written by lua/build.mjs from the files in lua/; change those.
const prelude = `local function decimal(number)
  return string.format('%.0f', number)
end
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local unpromoted = string.rep('0', 40)
local fencedMs = 15000
local function ours(key)
  local info = redis.call('INFO', 'server', 'replication')
  local run = string.match(info, 'run_id:(%w+)')
  local promoted = string.match(info, 'master_replid2:(%w+)')
  local known = redis.call('HMGET', key, 'run', 'promoted')
  return known[1] == run and (promoted == unpromoted or promoted == known[2]), run, promoted
end
local function lifeOf(key, at)
  local same, run, promoted = ours(key)
  local known = redis.call('HMGET', key, 'began', 'born', 'kept')
  if same then return known[1], known[2] end
  local began, born = known[1], known[2]
  local whole = known[3] == '1' and promoted == unpromoted
  if not whole or not string.find(redis.call('INFO', 'persistence'), 'aof_enabled:1', 1, true) then
    began = decimal(math.max(at, tonumber(began or 0) + 1))
    born = promoted == unpromoted and began or decimal(began + fencedMs)
  end
  redis.call('HSET', key, 'began', began, 'born', born, 'run', run, 'promoted', promoted, 'kept', '0')
  return began, born
end
local function follow(key, leader)
  local at = redis.call('PEXPIRETIME', leader)
  if at > 0 then redis.call('PEXPIREAT', key, at) end
end`;

/** The source of each script, by name. */
export const lua = {
  acquire: `${prelude}
local call, holders, life = unpack(KEYS)
local session, open = unpack(ARGV)
local began = lifeOf(life, now())
local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding', 'life')
if not stored[1] then return false end
if stored[1] ~= open then return { stored[1] } end
if stored[4] ~= began then return false end
redis.call('HSET', holders, session, stored[2])
follow(holders, call)
return { stored[1], stored[2], stored[3] }`,
  claim: `${prelude}
local sink = unpack(KEYS)
local wanted, insteadOf = unpack(ARGV)
local claimed = redis.call('GET', sink)
if claimed and claimed ~= insteadOf then return claimed end
redis.call('SET', sink, wanted)
return wanted`,
  commit: `${prelude}
local call, holders, tallies, outbox, life, census, heard = unpack(KEYS)
local operation, version, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed, readAt, channel, shard = unpack(ARGV)
local at = now()
local began = lifeOf(life, at)
local stored = redis.call('HMGET', call, 'operation', 'version', 'state', 'epoch')
if stored[1] == operation then return 1 end
if tonumber(readAt) < tonumber(began) then return 0 end
if (stored[2] or '0') ~= version then return 0 end
local following = decimal(math.max(tonumber(version) + 1, at))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
if stored[4] ~= epoch then redis.call('HSET', call, 'life', began) end
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
redis.pcall('PUBLISH', channel, shard)
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
if not ours(session) then return false end
redis.call('PEXPIRE', session, ttlMs)
for call, epoch in pairs(cjson.decode(done)) do
  local revoked = redis.call('HGET', inbox, call)
  if revoked and tonumber(revoked) <= epoch then redis.call('HDEL', inbox, call) end
end
redis.call('PEXPIRE', inbox, ttlMs)
return redis.call('HGETALL', inbox)`,
  join: `${prelude}
local session, inbox = unpack(KEYS)
local ttlMs = unpack(ARGV)
local _, run, promoted = ours(session)
redis.call('HSET', session, 'run', run, 'promoted', promoted)
redis.call('PEXPIRE', session, ttlMs)
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
local call, holders, tallies, life = unpack(KEYS)
local at = now()
local _, born = lifeOf(life, at)
local stored = redis.call('HMGET', call, 'value', 'version')
return {
  stored[1],
  stored[2],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(at),
  born,
}`,
  release: `${prelude}
local lease = unpack(KEYS)
local owner = unpack(ARGV)
if redis.call('GET', lease) ~= owner then return 0 end
return redis.call('DEL', lease)`,
  report: `${prelude}
local reporters, outbox = unpack(KEYS)
local instance, beat, lines, gone, last, channel, shard = unpack(ARGV)
local time = redis.call('TIME')
local known = redis.call('HGET', reporters, instance)
local number = known and tonumber(string.match(known, ' (%d+)$')) or 0
redis.call('HSET', reporters, instance, string.format('%s %d', beat, number))
for _, line in ipairs(cjson.decode(lines)) do
  if line[1] > number then
    redis.call('XADD', outbox, '*', 'refusedWrites', line[2])
    number = line[1]
  end
end
redis.call('HSET', reporters, instance, string.format('%s %d', beat, number))
for _, other in ipairs(cjson.decode(gone)) do
  if redis.call('HGET', reporters, other[1]) == other[2] then redis.call('HDEL', reporters, other[1]) end
end
if last == '1' then redis.call('HDEL', reporters, instance) end
if channel ~= '' then redis.pcall('PUBLISH', channel, shard) end
return { string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), redis.call('HGETALL', reporters) }`,
  revoke: `${prelude}
local session, inbox = unpack(KEYS)
local call, epoch, channel, message = unpack(ARGV)
local expires = redis.call('PEXPIRETIME', session)
if expires < 0 then return 0 end
local revoked = redis.call('HGET', inbox, call)
if not revoked or tonumber(revoked) < tonumber(epoch) then redis.call('HSET', inbox, call, epoch) end
redis.call('PEXPIREAT', inbox, expires + 1)
redis.pcall('PUBLISH', channel, message)
return 1`,
  silent: `${prelude}
local heard = unpack(KEYS)
local forMs, limit = unpack(ARGV)
local latest = decimal(now() - forMs)
return redis.call('ZRANGE', heard, '-inf', latest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES')`,
  touch: `${prelude}
local life = unpack(KEYS)
local kept = unpack(ARGV)
local began = lifeOf(life, now())
if kept ~= '' then redis.call('HSET', life, 'kept', kept) end
return began`,
} as const;
