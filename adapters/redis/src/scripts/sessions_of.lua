-- All sessions of a user that weren't ended, and the version of the set. A set that there isn't gets one.
-- KEYS: the user's sessions. ARGV: a version that never was, its time to live.
if redis.call('HSETNX', KEYS[1], 'v', ARGV[1]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return redis.call('HGETALL', KEYS[1])
