-- purpose: Notes that a life of a shard has lasted for so long that nothing of the life before can still be under way (rule R2).
-- flags: none: it lets status changes through
-- KEYS: shard mark
-- ARGV: life seen elapsed
-- reply: 1 noted; 0 its life is another by now
-- writes: shard mark
local shard, mark = unpack(KEYS)
local life, seen, elapsed = unpack(ARGV)

ready({ shard, 'hash', 'HSET' }, { mark, 'string', 'SET' })
if shardNow(shard, mark, seen, elapsed).life ~= life then return 0 end
redis.call('HSET', shard, 'settled', '1')
return 1
