-- Forgets tickets that have expired. Their keys lie in the slot of the index.
-- KEYS: the index by when tickets expire. ARGV: the time, at most how many, what the keys of tickets begin with.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, name in ipairs(due) do
  redis.call('HDEL', ARGV[3] .. string.sub(name, 1, 16), string.sub(name, 17))
  redis.call('ZREM', KEYS[1], name)
end
return #due
