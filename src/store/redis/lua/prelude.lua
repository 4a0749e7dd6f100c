-- purpose: What scripts share: what must hold before the first write, and which server wrote what.

-- The layout of the keys, as `formatNumber` in keys.ts has it.
local format = '4'

-- Downwards: what was given out must not be ahead of what is kept.
local function decimal(number)
  return string.format('%.0f', math.floor(number))
end

local function fraction(number)
  return string.format('%.3f', number)
end

-- Redis takes back nothing of a script that fails in its middle. So what can be refused is asked before anything is
-- written: for each key its type, if there is one, and the commands that will write it.
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
-- For so long may a primary that was replaced go on taking writes, ms.
local fencedMs = 15000

-- Whether this very server wrote a hash: the same process, and not made a primary anew since then. An hour after its
-- last replica has left, a server forgets that it was promoted; that loses nothing.
local function ours(run, promoted)
  local info = redis.call('INFO', 'server', 'replication')
  local running = string.match(info, 'run_id:(%w+)')
  local promotion = string.match(info, 'master_replid2:(%w+)')
  return run == running and (promotion == unpromoted or promotion == promoted), running, promotion
end

-- The server's own clock, ms since the epoch. It may be set, and another server has another.
local function clockNow()
  local time = redis.call('TIME')
  return time[1] * 1000 + time[2] / 1000
end
