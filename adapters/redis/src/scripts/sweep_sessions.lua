-- Forgets sessions that were over before a time. Their keys lie in the slot of the index.
-- KEYS: the index by when sessions are over. ARGV: the time, at most how many, what the keys of users' sessions and of
-- ended ones begin with.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. ARGV[1], 'LIMIT', 0, ARGV[2])
for _, member in ipairs(due) do
  redis.call('HDEL', ARGV[3] .. string.sub(member, 1, 16), string.sub(member, 17))
  redis.call('DEL', ARGV[4] .. member)
  redis.call('ZREM', KEYS[1], member)
end
return #due
