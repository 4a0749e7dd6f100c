-- purpose: Appends lines without a call to the outbox, and records that their reporter is alive; a known line is not appended again.
-- flags: none, since a full store reserves its memory for what closes gates; the counts stay in memory and are reported later
-- KEYS: reporters outbox
-- ARGV: instance beat lines gone last channel shard
-- reply: the server's clock, ms, and all reporters as instance, "beat number"...
-- writes: reporters outbox
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
-- Only a hint: a server that forbids channels must not undo the rest.
if channel ~= '' then redis.pcall('PUBLISH', channel, shard) end
return { string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), redis.call('HGETALL', reporters) }
