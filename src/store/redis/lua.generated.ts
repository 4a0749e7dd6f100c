// Written by lua/build.mjs from the files in lua/; change those.
const prelude = `local format = '4'
local function decimal(number)
  return string.format('%.0f', math.floor(number))
end
local function fraction(number)
  return string.format('%.3f', number)
end
local function ready(...)
  for _, need in ipairs({ ... }) do
    local key, kind = need[1], need[2]
    local found = redis.call('TYPE', key)
    found = found.ok or found
    if found ~= 'none' and found ~= kind then
      error({ err = string.format('WRONGTYPE %s is a %s, not a %s', key, found, kind) })
    end
    for n = 3, #need do
      if not redis.acl_check_cmd(need[n], key) then
        error({ err = string.format('NOPERM this user has no permissions to run %s on %s', need[n], key) })
      end
    end
  end
end
local unpromoted = string.rep('0', 40)
local fencedMs = 15000
local function ours(run, promoted)
  local info = redis.call('INFO', 'server', 'replication')
  local running = string.match(info, 'run_id:(%w+)')
  local promotion = string.match(info, 'master_replid2:(%w+)')
  return run == running and (promotion == unpromoted or promotion == promoted), running, promotion
end
local function clockNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end`;
const shard = `local jitterMs = 250
local names = { 'time', 'watched', 'run', 'promoted', 'life', 'fenced', 'settled', 'kept' }
local function shardNow(key, mark, seen, elapsed)
  local clock = clockNow()
  local shard = { clock = clock }
  local stored = redis.call('HMGET', key, unpack(names))
  for n, name in ipairs(names) do shard[name] = stored[n] end
  local offset, watchedAt = unpack(redis.call('HMGET', key, 'offset', 'watchedAt'))
  shard.time = math.max(clock + (tonumber(offset) or 0), tonumber(shard.time) or 0, tonumber(seen))
  local went = math.min(elapsed + jitterMs, shard.time - (tonumber(watchedAt) or shard.time))
  shard.watched = (tonumber(shard.watched) or 0) + math.max(0, went)
  shard.settled = shard.settled == '1'
  local same, run, promoted = ours(shard.run, shard.promoted)
  if same then return shard end
  local whole = shard.kept == '1' and promoted == unpromoted
  if not whole or not string.find(redis.call('INFO', 'persistence'), 'aof_enabled:1', 1, true) then
    local found = redis.call('GET', mark)
    if found and found ~= format then error({ err = string.format('FORMAT %s holds %s, not %s', mark, found, format) }) end
    if not found then redis.call('SET', mark, format) end
    shard.life = string.format('%s.%.3f', run, shard.time)
    shard.fenced = promoted == unpromoted and '0' or decimal(fencedMs)
    shard.settled = false
    redis.call('HSET', key, 'time', fraction(shard.time), 'offset', fraction(shard.time - clock))
  end
  redis.call('HSET', key, 'life', shard.life, 'fenced', shard.fenced, 'settled', shard.settled and '1' or '0',
    'run', run, 'promoted', promoted, 'kept', '0')
  return shard
end
local function keepTimes(key, shard)
  redis.call('HSET', key, 'time', fraction(shard.time), 'offset', fraction(shard.time - shard.clock),
    'watched', fraction(shard.watched), 'watchedAt', fraction(shard.time))
end`;

/** The source of each script, by name. */
export const lua = {
  acquire: `#!lua
${prelude}
${shard}
local call, holders, shard, mark = unpack(KEYS)
local session, ttlMs, graphTimeoutMs, open, seen, elapsed = unpack(ARGV)
ready({ call, 'hash' }, { holders, 'hash', 'HSET' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
for n = 5, #KEYS, 2 do
  ready({ KEYS[n], 'hash' }, { KEYS[n + 1], 'hash', 'HSET' })
end
local known = shardNow(shard, mark, seen, elapsed)
local function acquire(call, holders)
  local stored = redis.call('HMGET', call, 'state', 'epoch', 'binding', 'life', 'opened')
  if not stored[1] then return false end
  if stored[1] ~= open then return { stored[1] } end
  if stored[4] ~= known.life then return false end
  redis.call('HSET', holders, session, string.format('%s %s %s', stored[2], ttlMs, graphTimeoutMs))
  local opened, since = string.match(stored[5] or '', '^(%S+) (%S+)$')
  local age = opened == stored[2] and math.max(0, known.time - tonumber(since)) or -1
  return { stored[1], stored[2], stored[3], decimal(known.time), decimal(age) }
end
local replies = { acquire(call, holders) }
for n = 5, #KEYS, 2 do
  replies[#replies + 1] = acquire(KEYS[n], KEYS[n + 1])
end
return replies`,
  begin: `#!lua
${prelude}
${shard}
local shard, mark = unpack(KEYS)
local kept, seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
if kept ~= '' then redis.call('HSET', shard, 'kept', kept) end
return { decimal(known.time), known.life, known.fenced, known.settled and 1 or 0 }`,
  claim: `#!lua flags=allow-oom
${prelude}
local sink = unpack(KEYS)
local wanted, insteadOf = unpack(ARGV)
ready({ sink, 'string', 'SET' })
local claimed = redis.call('GET', sink)
if claimed and claimed ~= insteadOf then return claimed end
redis.call('SET', sink, wanted)
return wanted`,
  commit: `#!lua
${prelude}
${shard}
local call, tallies, outbox, shard, mark, census, activity, retained = unpack(KEYS)
local operation, version, life, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed, open, seen, elapsed, channel, part = unpack(ARGV)
ready({ call, 'hash', 'HSET' }, { tallies, 'hash', 'DEL' }, { outbox, 'stream', 'XADD' },
  { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { census, 'hash', 'HINCRBY' },
  { activity, 'zset', 'ZADD', 'ZREM' }, { retained, 'zset', 'ZADD', 'ZREM' })
local stored = redis.call('HMGET', call, 'operation', 'version', 'state', 'epoch')
if stored[1] == operation then return 1 end
local counts = redis.call('HMGET', census, stored[3] or state, state)
for _, count in ipairs(counts) do
  if count and not tonumber(count) then error({ err = 'ERR the census holds something that is no number' }) end
end
local known = shardNow(shard, mark, seen, elapsed)
if known.life ~= life then return 0 end
if (stored[2] or '0') ~= version then return 0 end
known.time = math.max(known.time, tonumber(epoch))
keepTimes(shard, known)
local following = decimal(math.max(tonumber(version) + 1, known.time))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
if stored[4] ~= epoch then redis.call('HSET', call, 'life', life) end
if state == open and stored[3] ~= open then
  redis.call('HSET', call, 'opened', string.format('%s %s', epoch, fraction(known.time)))
end
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
redis.pcall('PUBLISH', channel, part)
if listed == '1' then
  redis.call('ZADD', activity, fraction(known.watched), id)
else
  redis.call('ZREM', activity, id)
end
if retentionMs == '' then
  redis.call('ZREM', retained, id)
else
  redis.call('ZADD', retained, fraction(known.watched + retentionMs), id)
end
return 1`,
  commitClosing: `#!lua flags=allow-oom
${prelude}
${shard}
local call, tallies, outbox, shard, mark, census, activity, retained = unpack(KEYS)
local operation, version, life, state, epoch, binding, value, record, dropTallies, retentionMs, id, listed, open, seen, elapsed, channel, part = unpack(ARGV)
ready({ call, 'hash', 'HSET' }, { tallies, 'hash', 'DEL' }, { outbox, 'stream', 'XADD' },
  { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { census, 'hash', 'HINCRBY' },
  { activity, 'zset', 'ZADD', 'ZREM' }, { retained, 'zset', 'ZADD', 'ZREM' })
local stored = redis.call('HMGET', call, 'operation', 'version', 'state', 'epoch')
if stored[1] == operation then return 1 end
local counts = redis.call('HMGET', census, stored[3] or state, state)
for _, count in ipairs(counts) do
  if count and not tonumber(count) then error({ err = 'ERR the census holds something that is no number' }) end
end
local known = shardNow(shard, mark, seen, elapsed)
if known.life ~= life then return 0 end
if (stored[2] or '0') ~= version then return 0 end
known.time = math.max(known.time, tonumber(epoch))
keepTimes(shard, known)
local following = decimal(math.max(tonumber(version) + 1, known.time))
redis.call('HSET', call, 'operation', operation, 'version', following,
  'state', state, 'epoch', epoch, 'binding', binding, 'value', value)
if stored[4] ~= epoch then redis.call('HSET', call, 'life', life) end
if state == open and stored[3] ~= open then
  redis.call('HSET', call, 'opened', string.format('%s %s', epoch, fraction(known.time)))
end
if dropTallies == '1' then redis.call('DEL', tallies) end
if stored[3] then redis.call('HINCRBY', census, stored[3], -1) end
redis.call('HINCRBY', census, state, 1)
redis.call('XADD', outbox, '*', 'record', record)
redis.pcall('PUBLISH', channel, part)
if listed == '1' then
  redis.call('ZADD', activity, fraction(known.watched), id)
else
  redis.call('ZREM', activity, id)
end
if retentionMs == '' then
  redis.call('ZREM', retained, id)
else
  redis.call('ZADD', retained, fraction(known.watched + retentionMs), id)
end
return 1`,
  due: `#!lua flags=allow-oom
${prelude}
${shard}
local shard, mark, retained = unpack(KEYS)
local limit, seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
return redis.call('ZRANGE', retained, '-inf', fraction(known.watched), 'BYSCORE', 'LIMIT', 0, limit)`,
  enrol: `#!lua
${prelude}
local members, layout, lease = unpack(KEYS)
local session, ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs = unpack(ARGV)
ready({ members, 'hash', 'HSET' }, { layout, 'string', 'SET' }, { lease, 'hash', 'HSETNX' })
local found = redis.call('GET', layout)
if found and found ~= format then return { found } end
local known = redis.call('HGETALL', members)
for n = 1, #known, 2 do
  local other, times = known[n], known[n + 1]
  local ttl, graph, ttlMax, graphMax = string.match(times, '^(%d+) (%d+) (%d+) (%d+)$')
  if other ~= session and (not graphMax
    or tonumber(ttl) > tonumber(ttlMaxMs) or tonumber(ttlMs) > tonumber(ttlMax)
    or tonumber(graph) > tonumber(graphTimeoutMaxMs) or tonumber(graphTimeoutMs) > tonumber(graphMax)) then
    return { other, times }
  end
end
redis.call('SET', layout, format)
redis.call('HSETNX', lease, 'beat', 0)
redis.call('HSET', members, session, string.format('%s %s %s %s', ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs))
return false`,
  heartbeat: `#!lua
${prelude}
local session, inbox = unpack(KEYS)
local done = unpack(ARGV)
ready({ session, 'hash', 'HINCRBY' }, { inbox, 'hash', 'HDEL' })
local known = redis.call('HMGET', session, 'run', 'promoted')
if not ours(known[1], known[2]) then return false end
redis.call('HINCRBY', session, 'beat', 1)
for call, epoch in pairs(cjson.decode(done)) do
  local revoked = redis.call('HGET', inbox, call)
  if revoked and tonumber(revoked) <= epoch then redis.call('HDEL', inbox, call) end
end
return { fraction(clockNow()), redis.call('HGETALL', inbox) }`,
  hold: `#!lua
${prelude}
${shard}
local holds, outbox, shard, mark = unpack(KEYS)
local operation, number, life, following, value, line, seen, elapsed, evidence, part, channel = unpack(ARGV)
ready({ holds, 'hash', 'HSET' }, { outbox, 'stream', 'XADD' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local stored = redis.call('HMGET', holds, 'operation', 'number', 'life', 'entry')
if stored[1] == operation then return stored[4] end
local known = shardNow(shard, mark, seen, elapsed)
if known.life ~= life or (stored[2] or '0') ~= number then return false end
if line ~= '' and stored[3] ~= life then return false end
keepTimes(shard, known)
local entry = line == '' and '' or redis.call('XADD', outbox, '*', 'hold', line)
redis.call('HSET', holds, 'operation', operation, 'number', following, 'life', life, 'value', value, 'entry', entry)
redis.pcall('PUBLISH', evidence, part)
redis.pcall('PUBLISH', channel, following)
return entry`,
  holdClosing: `#!lua flags=allow-oom
${prelude}
${shard}
local holds, outbox, shard, mark = unpack(KEYS)
local operation, number, life, following, value, line, seen, elapsed, evidence, part, channel = unpack(ARGV)
ready({ holds, 'hash', 'HSET' }, { outbox, 'stream', 'XADD' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local stored = redis.call('HMGET', holds, 'operation', 'number', 'life', 'entry')
if stored[1] == operation then return stored[4] end
local known = shardNow(shard, mark, seen, elapsed)
if known.life ~= life or (stored[2] or '0') ~= number then return false end
if line ~= '' and stored[3] ~= life then return false end
keepTimes(shard, known)
local entry = line == '' and '' or redis.call('XADD', outbox, '*', 'hold', line)
redis.call('HSET', holds, 'operation', operation, 'number', following, 'life', life, 'value', value, 'entry', entry)
redis.pcall('PUBLISH', evidence, part)
redis.pcall('PUBLISH', channel, following)
return entry`,
  holds: `#!lua flags=allow-oom
${prelude}
${shard}
local holds, acks, shard, mark = unpack(KEYS)
local session, acknowledged, seen, elapsed = unpack(ARGV)
ready({ acks, 'hash', 'HSET' }, { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local stored = redis.call('HMGET', holds, 'value', 'life')
if session ~= '' and redis.call('HGET', acks, session) ~= acknowledged then
  redis.call('HSET', acks, session, acknowledged)
end
return {
  stored[1],
  stored[2] == known.life and 1 or 0,
  known.life,
  decimal(known.time),
  known.fenced,
  known.settled and 1 or 0,
  fraction(known.clock),
}`,
  idle: `#!lua flags=allow-oom
${prelude}
${shard}
local shard, mark, activity = unpack(KEYS)
local forMs, limit, seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local latest = fraction(known.watched - forMs)
return {
  fraction(known.time),
  fraction(known.watched),
  redis.call('ZRANGE', activity, '-inf', latest, 'BYSCORE', 'LIMIT', 0, limit, 'WITHSCORES'),
}`,
  join: `#!lua
${prelude}
local session, inbox = unpack(KEYS)
ready({ session, 'hash', 'HSET', 'HINCRBY' }, { inbox, 'hash' })
local _, run, promoted = ours()
redis.call('HSET', session, 'run', run, 'promoted', promoted)
redis.call('HINCRBY', session, 'beat', 1)
return 1`,
  lease: `#!lua flags=allow-oom
${prelude}
local lease, layout = unpack(KEYS)
local owner, forMs, rival, beat, stoodMs = unpack(ARGV)
ready({ lease, 'hash', 'HSET', 'HINCRBY' })
if redis.call('GET', layout) ~= format then return { '', '0' } end
local held = redis.call('HMGET', lease, 'owner', 'beat', 'forMs')
local free = not held[1] or held[1] == '' or held[1] == owner
local lapsed = held[1] == rival and held[2] == beat and tonumber(stoodMs) >= (tonumber(held[3]) or 0)
if not free and not lapsed then return { held[1], held[2] } end
redis.call('HSET', lease, 'owner', owner, 'forMs', forMs)
redis.call('HINCRBY', lease, 'beat', 1)
return false`,
  leave: `#!lua flags=allow-oom
${prelude}
local call, holders, tallies = unpack(KEYS)
local session, epoch, name, tally, how = unpack(ARGV)
ready({ holders, 'hash', 'HDEL' }, { tallies, 'hash', how })
if redis.call('EXISTS', call) == 0 then return 0 end
local held = redis.call('HGET', holders, session)
if held and tonumber(string.match(held, '^%d+')) <= tonumber(epoch) then redis.call('HDEL', holders, session) end
redis.call(how, tallies, name, tally)
return 1`,
  read: `#!lua flags=allow-oom
${prelude}
${shard}
local call, holders, tallies, shard, mark = unpack(KEYS)
local seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local stored = redis.call('HMGET', call, 'value', 'version', 'life')
return {
  stored[1],
  stored[2],
  stored[3],
  redis.call('HGETALL', holders),
  redis.call('HGETALL', tallies),
  decimal(known.time),
  decimal(known.clock),
  decimal(known.watched),
  known.life,
  known.fenced,
  known.settled and 1 or 0,
}`,
  release: `#!lua flags=allow-oom
${prelude}
local lease = unpack(KEYS)
local owner = unpack(ARGV)
ready({ lease, 'hash', 'HSET' })
if redis.call('HGET', lease, 'owner') ~= owner then return 0 end
redis.call('HSET', lease, 'owner', '')
return 1`,
  report: `#!lua
${prelude}
local reporters, outbox = unpack(KEYS)
local instance, beat, lines, gone, last, channel, shard = unpack(ARGV)
ready({ reporters, 'hash', 'HSET', 'HDEL' }, { outbox, 'stream', 'XADD' })
local time = redis.call('TIME')
local known = redis.call('HGET', reporters, instance)
local number = known and tonumber(string.match(known, ' (%d+)$')) or 0
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
  revoke: `#!lua flags=allow-oom
${prelude}
local session, inbox = unpack(KEYS)
local call, epoch, channel, message = unpack(ARGV)
ready({ session, 'hash' }, { inbox, 'hash', 'HSET' })
local beat = redis.call('HGET', session, 'beat')
if not beat then return false end
local revoked = redis.call('HGET', inbox, call)
if not revoked or tonumber(revoked) < tonumber(epoch) then redis.call('HSET', inbox, call, epoch) end
redis.pcall('PUBLISH', channel, message)
return beat`,
  settle: `#!lua
${prelude}
${shard}
local shard, mark = unpack(KEYS)
local life, seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
if shardNow(shard, mark, seen, elapsed).life ~= life then return 0 end
redis.call('HSET', shard, 'settled', '1')
return 1`,
  sweep: `#!lua flags=allow-oom
${prelude}
${shard}
local call, holders, tallies, census, activity, retained, shard, mark = unpack(KEYS)
local id, seen, elapsed = unpack(ARGV)
ready({ call, 'hash', 'DEL' }, { holders, 'hash', 'DEL' }, { tallies, 'hash', 'DEL' },
  { census, 'hash', 'HINCRBY' }, { activity, 'zset', 'ZREM' }, { retained, 'zset', 'ZREM' },
  { shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
local over = redis.call('ZSCORE', retained, id)
if not over or tonumber(over) > known.watched then return 0 end
local state = redis.call('HGET', call, 'state')
if state then
  local count = redis.call('HGET', census, state)
  if count and not tonumber(count) then error({ err = 'ERR the census holds something that is no number' }) end
  redis.call('HINCRBY', census, state, -1)
end
redis.call('DEL', call, holders, tallies)
redis.call('ZREM', activity, id)
redis.call('ZREM', retained, id)
return 1`,
  touch: `#!lua
${prelude}
${shard}
local shard, mark, activity = unpack(KEYS)
local ids, seen, elapsed = unpack(ARGV)
ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' }, { activity, 'zset', 'ZADD' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local at = fraction(known.watched)
for _, id in ipairs(cjson.decode(ids)) do redis.call('ZADD', activity, 'XX', at, id) end
return 1`,
} as const;
