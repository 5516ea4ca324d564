-- Gives a ticket to one caller. KEYS: the tickets of a locator, the index. ARGV: digest, its name in the index.
local body = redis.call('HGET', KEYS[1], ARGV[1])
if body then
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('ZREM', KEYS[2], ARGV[2])
end
return body
