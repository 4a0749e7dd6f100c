-- purpose: What the scripts of a shard share: its times, and the life of its data.

-- The two clocks are read at different moments, ms. A step counts for so much, and no more.
local jitterMs = 250
local names = { 'time', 'watched', 'run', 'promoted', 'life', 'fenced', 'settled', 'kept' }

-- What is known of a shard now. `seen` is the largest protocol time that the caller knows, `elapsed` how many ms it has
-- measured itself since it last asked here.
--   time     protocol time: at least all that was stored or seen; where the clock is behind that, it goes on from there
--   watched  grows by what some caller has measured, and never by a step of the clock
--   life     names what the data have been without a loss; another server, or this one after a restart, may lack the last
--            changes, so a new life begins, unless all that was acknowledged is known to be on its disk
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
    -- An earlier build keeps a hash there, a later one its own number: they fail at each other's data.
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

-- Nothing that is known of the times is given again, whatever befalls the clock.
local function keepTimes(key, shard)
  redis.call('HSET', key, 'time', fraction(shard.time), 'offset', fraction(shard.time - shard.clock),
    'watched', fraction(shard.watched), 'watchedAt', fraction(shard.time))
end
