-- purpose: What scripts share: the store clock, the life of the data, and keys that live as long as another.

local function decimal(number)
  return string.format('%.0f', number)
end

-- Store clock, ms since the epoch.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local unpromoted = string.rep('0', 40)
-- For so long may a primary that was replaced go on taking writes, ms.
local fencedMs = 15000

-- Whether this very server wrote a hash: the same process, and not made a primary anew since then. An hour after its
-- last replica has left, a server forgets that it was promoted; that loses nothing.
local function ours(key)
  local info = redis.call('INFO', 'server', 'replication')
  local run = string.match(info, 'run_id:(%w+)')
  local promoted = string.match(info, 'master_replid2:(%w+)')
  local known = redis.call('HMGET', key, 'run', 'promoted')
  return known[1] == run and (promoted == unpromoted or promoted == known[2]), run, promoted
end

-- When this part of the store began to be what it is, and from when on rule R2 counts. Another server, or this one after
-- a restart, may lack the last changes, so a new life begins; unless all that was acknowledged is known to be on its disk.
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

-- Lets a key that was written to expire together with the one it belongs to.
local function follow(key, leader)
  local at = redis.call('PEXPIRETIME', leader)
  if at > 0 then redis.call('PEXPIREAT', key, at) end
end
