-- Replaces the reservation of a request by its final charge, once.
-- KEYS: the window, the minute, the places. ARGV: id, requests, tokens, class.
-- Answers 1 if the window is warm and has no reservation of a request that is charged: then it is to be compared with the
-- database.
local id, requests, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

redis.call('ZREM', KEYS[3], id)
if requests == 0 then
  redis.call('ZREM', KEYS[2], id) -- what is given back was never there
end

local window = redis.call('HMGET', KEYS[1], 'requests', id, 'rebuild')
local rebuilding = false
if window[3] then
  rebuilding = tonumber(redis.call('TIME')[1]) < tonumber(string.match(window[3], ' (%d+)$'))
end
if rebuilding then
  redis.call('HSET', KEYS[1], 'late:' .. id, ARGV[2] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4])
end
if not window[1] then
  return 0 -- whoever restores the window finds the request in the database
end
if not window[2] then
  return (rebuilding or requests == 0 and tokens == 0) and 0 or 1
end

local reserved_requests, reserved_tokens, class = string.match(window[2], '^(%S+) (%S+) ?(.*)$')
local more_requests = string.format('%.0f', requests - tonumber(reserved_requests))
local more_tokens = string.format('%.0f', tokens - tonumber(reserved_tokens))
redis.call('HDEL', KEYS[1], id)
redis.call('HINCRBY', KEYS[1], 'requests', more_requests)
redis.call('HINCRBY', KEYS[1], 'tokens', more_tokens)
if class ~= '' then
  redis.call('HINCRBY', KEYS[1], 'requests:' .. class, more_requests)
  redis.call('HINCRBY', KEYS[1], 'tokens:' .. class, more_tokens)
end
return 0
