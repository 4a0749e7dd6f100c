-- purpose: What scripts share: the store clock, the marker of rule R2, and keys that live as long as another.

local function decimal(number)
  return string.format('%.0f', number)
end

-- Store clock, ms since the epoch.
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- When this part of the store began without data: from the first command that found no marker.
local function mark(born, at)
  local known = redis.call('GET', born)
  if known then return known end
  redis.call('SET', born, decimal(at))
  return decimal(at)
end

-- Lets a key that was written to expire together with the one it belongs to.
local function follow(key, leader)
  local at = redis.call('PEXPIRETIME', leader)
  if at > 0 then redis.call('PEXPIREAT', key, at) end
end
