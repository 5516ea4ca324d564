-- Stores a counter in place of the writing that was read.
-- KEYS: the counter, the index by when counters may be forgotten, and for one that may be evicted the index by use.
-- ARGV: the stamp that was read or nothing, the counter with its new stamp or nothing, when it may be forgotten, its
-- time to live ('keep': both stay, 'none': for ever), its name in the indexes, what the keys of counters begin with,
-- at most how many of its kind are kept.
local count, forget, uses = KEYS[1], KEYS[2], KEYS[3]
local name = ARGV[5]
local stored = redis.call('GET', count)
if (stored and string.sub(stored, 1, 8) or '') ~= ARGV[1] then
  return 0
end
if ARGV[2] == '' then
  redis.call('DEL', count)
  redis.call('ZREM', forget, name)
  if uses then
    redis.call('ZREM', uses, name)
  end
  return 1
end
if uses then
  local excess = stored and 0 or redis.call('ZCARD', uses) + 1 - tonumber(ARGV[7])
  if excess > 0 then
    local evicted = redis.call('ZPOPMIN', uses, excess)
    for at = 1, #evicted, 2 do
      redis.call('DEL', ARGV[6] .. evicted[at])
      redis.call('ZREM', forget, evicted[at])
    end
  end
  local last = redis.call('ZRANGE', uses, -1, -1, 'WITHSCORES')
  redis.call('ZADD', uses, last[2] and tonumber(last[2]) + 1 or 1, name)
end
if ARGV[4] == 'keep' then
  redis.call('SET', count, ARGV[2], 'KEEPTTL')
  return 1
end
if ARGV[4] == 'none' then
  redis.call('SET', count, ARGV[2])
else
  redis.call('SET', count, ARGV[2], 'PX', ARGV[4])
end
redis.call('ZADD', forget, ARGV[3], name)
return 1
