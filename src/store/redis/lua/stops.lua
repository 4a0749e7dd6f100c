-- purpose: How long ago the oldest stop of a shard that is not confirmed was stored.
-- flags: allow-oom, since an operator who frees a full store looks at it
-- KEYS: shard mark stopping
-- ARGV: seen elapsed
-- reply: watched time since then, ms; nil: there is none
-- writes: shard mark
local shard, mark, stopping = unpack(KEYS)
local seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
local known = shardNow(shard, mark, seen, elapsed)
keepTimes(shard, known)
local found = redis.call('ZRANGE', stopping, '-inf', fraction(known.watched), 'BYSCORE', 'LIMIT', 0, 1, 'WITHSCORES')
return found[2] and decimal(known.watched - found[2]) or nil
