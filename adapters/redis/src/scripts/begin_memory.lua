-- A memory that isn't this server's, or was before it was started again, begins. KEYS: its birth. ARGV: now.
local server = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local birth = redis.call('GET', KEYS[1])
if birth and string.sub(birth, 1, #server) == server then
  return 0
end
redis.call('SET', KEYS[1], server .. ' ' .. ARGV[1])
return 1
