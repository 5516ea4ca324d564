-- Spends a mark, and says since when marks are remembered: by this server, since it began. What another one wrote, or
-- this one before it was started again, may lack the last that it was told.
-- KEYS: the marks of a kind, the birth of the memory. ARGV: digest, until when it is kept, now, how many may be, time to
-- live.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local birth = redis.call('GET', KEYS[2])
local anew = 0
if not birth or string.sub(birth, 1, #server) ~= server then
  birth = server .. ' ' .. ARGV[3]
  redis.call('SET', KEYS[2], birth)
  anew = 1
end
local since = string.sub(birth, #server + 2)
local kept = redis.call('ZSCORE', KEYS[1], ARGV[1])
if kept and tonumber(ARGV[3]) < tonumber(kept) then
  return { 'again', since, anew }
end
if not kept and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then
  return { 'full', since, anew }
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[5])
end
return { 'first', since, anew }
