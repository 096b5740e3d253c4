-- Corrects a window to what the database says, if nothing happened in it since it was in doubt.
-- KEYS: the window. ARGV: requests, tokens and doubt as they were; requests and tokens as the database has them.
local window = redis.call('HMGET', KEYS[1], 'requests', 'tokens', 'doubt', 'open')
if window[1] ~= ARGV[1] or window[2] ~= ARGV[2] or window[3] ~= ARGV[3] or window[4] ~= '0' then
  return 0
end
redis.call('HSET', KEYS[1], 'requests', ARGV[4], 'tokens', ARGV[5])
redis.call('HDEL', KEYS[1], 'doubt')
return 1
