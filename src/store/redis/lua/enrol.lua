-- purpose: Takes an instance among the members of this store, unless the layout of the keys, the times of another member or what it observes forbid it.
-- flags: none: it leads to open gates
-- KEYS: members layout lease
-- ARGV: session ttlMs graphTimeoutMs ttlMaxMs graphTimeoutMaxMs observes
-- reply: nil: it is one; else what is in the way: the number of the layout, or a member's session and entry
-- writes: members layout lease
local members, layout, lease = unpack(KEYS)
local session, ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs, observes = unpack(ARGV)

ready({ members, 'hash', 'HSET' }, { layout, 'string', 'SET' }, { lease, 'hash', 'HSETNX' })
local found = redis.call('GET', layout)
if found and found ~= format then return { found } end

-- An observation that is over is none.
local now = clockNow()
local function inForce(observation)
  local ends = string.match(observation, '^(%d+)%.')
  return ends and tonumber(ends) > now
end

local known = redis.call('HGETALL', members)
for n = 1, #known, 2 do
  local other, entry = known[n], known[n + 1]
  local ttl, graph, ttlMax, graphMax, observed = string.match(entry, '^(%d+) (%d+) (%d+) (%d+) ?(%S*)$')
  if other ~= session and (not graphMax
    or tonumber(ttl) > tonumber(ttlMaxMs) or tonumber(ttlMs) > tonumber(ttlMax)
    or tonumber(graph) > tonumber(graphTimeoutMaxMs) or tonumber(graphTimeoutMs) > tonumber(graphMax)
    or (observed ~= observes and (inForce(observed) or inForce(observes)))) then
    return { other, entry }
  end
end
redis.call('SET', layout, format)
-- An earlier build keeps a string there, so it never writes evidence beside this one.
redis.call('HSETNX', lease, 'beat', 0)
redis.call('HSET', members, session,
  string.format('%s %s %s %s %s', ttlMs, graphTimeoutMs, ttlMaxMs, graphTimeoutMaxMs, observes))
return false
