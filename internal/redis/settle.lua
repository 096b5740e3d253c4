-- Replaces the reservation of a request by its final charge, once.
-- KEYS: the window, its late settlements. ARGV: id, requests, tokens, whether it was reserved (1 or 0), seconds to keep
-- a late settlement.
-- Answers {} when all is well, and {requests used, tokens used, doubt} when the window is to be compared with the database.
local id, requests, tokens = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[2], id, ARGV[2] .. ' ' .. ARGV[3])
  redis.call('EXPIRE', KEYS[2], ARGV[5])
  return {}
end

local function add(more_requests, more_tokens)
  redis.call('HINCRBY', KEYS[1], 'requests', string.format('%.0f', more_requests))
  redis.call('HINCRBY', KEYS[1], 'tokens', string.format('%.0f', more_tokens))
end

local reserved = redis.call('HGET', KEYS[1], id)
if reserved then
  local reserved_requests, reserved_tokens = string.match(reserved, '^(%S+) (%S+)$')
  redis.call('HDEL', KEYS[1], id)
  redis.call('HINCRBY', KEYS[1], 'open', -1)
  add(requests - tonumber(reserved_requests), tokens - tonumber(reserved_tokens))
else
  if ARGV[4] == '0' and redis.call('HSETNX', KEYS[1], 'settled:' .. id, 1) == 1 then
    add(requests, tokens)
  end
  redis.call('HINCRBY', KEYS[1], 'doubt', 1)
end

-- What is counted, not what is listed: a window may have thousands of reservations open.
local window = redis.call('HMGET', KEYS[1], 'doubt', 'open', 'requests', 'tokens')
if not window[1] or tonumber(window[2]) > 0 then
  return {}
end
return {window[3], window[4], window[1]}
