-- Ends sessions of a user and opens one, if the set has the version and each session the revision that were read.
-- KEYS: the user's sessions, the index by when sessions are over, a place for each session that ends.
-- ARGV: the version read, the next one, the user; then for each that ends: token, what it began with, its new body,
-- when it ended, the body's time to live; then for the one that opens, if any: token, body, when it expires, time to
-- live.
local live, over = KEYS[1], KEYS[2]
local version = redis.call('HGET', live, 'v')
if version == ARGV[2] then
  return 'done' -- It came twice.
end
if version ~= ARGV[1] then
  return 'version'
end
local at = 4
for _ = 3, #KEYS do
  local stored, began = redis.call('HGET', live, ARGV[at]), ARGV[at + 1]
  if not stored or string.sub(stored, 1, #began) ~= began then
    return 'session'
  end
  at = at + 5
end
redis.call('HSET', live, 'v', ARGV[2])
at = 4
for key = 3, #KEYS do
  redis.call('HDEL', live, ARGV[at])
  redis.call('SET', KEYS[key], ARGV[at + 2], 'PX', ARGV[at + 4])
  redis.call('ZADD', over, ARGV[at + 3], ARGV[3] .. ARGV[at])
  at = at + 5
end
if ARGV[at] then
  redis.call('HSET', live, ARGV[at], ARGV[at + 1])
  redis.call('ZADD', over, ARGV[at + 2], ARGV[3] .. ARGV[at])
  if redis.call('PTTL', live) < tonumber(ARGV[at + 3]) then
    redis.call('PEXPIRE', live, ARGV[at + 3])
  end
end
return 'done'
