-- Reserves the charge of a request, once.
-- KEYS: the window. ARGV: id, requests, tokens, limit of requests, limit of tokens (negative: no limit).
-- Answers {verdict, requests used, tokens used}; what is used includes the charge if it was admitted.
local ADMITTED, NO_REQUESTS, NO_TOKENS, COLD = 0, 1, 2, 3

local window = redis.call('HMGET', KEYS[1], 'requests', 'tokens', ARGV[1])
if not window[1] then
  return {COLD, 0, 0}
end
local requests, tokens = tonumber(window[1]), tonumber(window[2])
if window[3] then
  return {ADMITTED, requests, tokens}
end

local more_requests, more_tokens = tonumber(ARGV[2]), tonumber(ARGV[3])
local max_requests, max_tokens = tonumber(ARGV[4]), tonumber(ARGV[5])
if more_requests > 0 then
  if max_requests >= 0 and requests + more_requests > max_requests then
    return {NO_REQUESTS, requests, tokens}
  end
  if max_tokens >= 0 and tokens + more_tokens > max_tokens then
    return {NO_TOKENS, requests, tokens}
  end
end

redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3])
redis.call('HINCRBY', KEYS[1], 'open', 1)
return {
  ADMITTED,
  redis.call('HINCRBY', KEYS[1], 'requests', ARGV[2]),
  redis.call('HINCRBY', KEYS[1], 'tokens', ARGV[3]),
}
