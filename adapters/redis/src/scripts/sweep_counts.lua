-- Forgets counters whose time was over before a time. Their keys lie in the slot of the index.
-- KEYS: the index by when counters may be forgotten, the two by use. ARGV: the time, at most how many, what the keys of
-- counters begin with.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, name in ipairs(due) do
  redis.call('DEL', ARGV[3] .. name)
  for key = 1, 3 do
    redis.call('ZREM', KEYS[key], name)
  end
end
return #due
