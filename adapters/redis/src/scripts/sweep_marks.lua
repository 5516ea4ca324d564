-- Forgets marks whose time is over. KEYS: the marks of a kind. ARGV: the time, at most how many.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, digest in ipairs(due) do
  redis.call('ZREM', KEYS[1], digest)
end
return #due
