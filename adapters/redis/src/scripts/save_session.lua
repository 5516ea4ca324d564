-- Stores a session in place of the revision that was read, unless it was ended.
-- KEYS: the user's sessions, the index by when sessions are over.
-- ARGV: token, what it began with, its new body, when it expires, the user, time to live.
local stored, began = redis.call('HGET', KEYS[1], ARGV[1]), ARGV[2]
if not stored or string.sub(stored, 1, #began) ~= began then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[5] .. ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[6]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
end
return 1
