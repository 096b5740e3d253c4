-- Reserves the charge of a request, once.
-- KEYS: the window, the minute, the places.
-- ARGV: id, requests, tokens, class, limits of requests and tokens of the day, the same of the class, limit of the minute, limit
-- of places (negative: no limit), now and the end of a place (milliseconds).
-- Answers {verdict, requests, tokens, the class's requests and tokens, in the minute, when the next of those leaves it, places taken}.
-- What is used includes the charge if it was admitted.
local ADMITTED, NO_REQUESTS, NO_TOKENS, NO_CLASS_REQUESTS, NO_CLASS_TOKENS, NO_MINUTE, NO_PLACE, COLD = 0, 1, 2, 3, 4, 5, 6, 7
local id, more_requests, more_tokens, class = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local per_minute, places, now = tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11])

local window = redis.call('HMGET', KEYS[1], 'requests', 'tokens', id, 'requests:' .. class, 'tokens:' .. class)
if not window[1] then
  return {COLD, 0, 0, 0, 0, 0, 0, 0}
end
local requests, tokens = tonumber(window[1]), tonumber(window[2])
local class_requests, class_tokens = tonumber(window[4] or 0), tonumber(window[5] or 0)

-- What is not limited is not counted: it costs nothing.
local minute, minute_free, taken = 0, 0, 0
if per_minute >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - 60000)
  minute = redis.call('ZCARD', KEYS[2])
end
if places >= 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
  taken = redis.call('ZCARD', KEYS[3])
end

local function answer(verdict)
  if per_minute >= 0 then
    local oldest = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
    if oldest[2] then
      minute_free = tonumber(oldest[2]) + 60000
    end
  end
  return {verdict, requests, tokens, class_requests, class_tokens, minute, minute_free, taken}
end

local function passed(limit, used, more)
  return limit >= 0 and used + more > limit
end
local function count(more_requests, more_tokens)
  requests = redis.call('HINCRBY', KEYS[1], 'requests', more_requests)
  tokens = redis.call('HINCRBY', KEYS[1], 'tokens', more_tokens)
  if class ~= '' then
    class_requests = redis.call('HINCRBY', KEYS[1], 'requests:' .. class, more_requests)
    class_tokens = redis.call('HINCRBY', KEYS[1], 'tokens:' .. class, more_tokens)
  end
end

if window[3] then
  -- A window that was emptied and rebuilt may have more reservations than there is room for: of those that are on record
  -- and were not sent yet. Whoever asks again then gives its own back, until the rest fits. Tokens are no reason: what was
  -- answered may rightly have taken more than was left.
  local verdict = passed(tonumber(ARGV[5]), requests, 0) and NO_REQUESTS or passed(tonumber(ARGV[7]), class_requests, 0) and NO_CLASS_REQUESTS
  if not verdict or more_requests == 0 then
    return answer(ADMITTED)
  end
  redis.call('HDEL', KEYS[1], id)
  redis.call('ZREM', KEYS[2], id)
  redis.call('ZREM', KEYS[3], id)
  count(-more_requests, -more_tokens)
  return answer(verdict)
end
if more_requests > 0 then
  if passed(tonumber(ARGV[5]), requests, more_requests) then return answer(NO_REQUESTS) end
  if passed(tonumber(ARGV[6]), tokens, more_tokens) then return answer(NO_TOKENS) end
  if passed(tonumber(ARGV[7]), class_requests, more_requests) then return answer(NO_CLASS_REQUESTS) end
  if passed(tonumber(ARGV[8]), class_tokens, more_tokens) then return answer(NO_CLASS_TOKENS) end
  if passed(per_minute, minute, 1) then return answer(NO_MINUTE) end
  if passed(places, taken, 1) then return answer(NO_PLACE) end
end

redis.call('HSET', KEYS[1], id, ARGV[2] .. ' ' .. ARGV[3] .. (class == '' and '' or ' ' .. class))
count(more_requests, more_tokens)
if per_minute >= 0 then
  redis.call('ZADD', KEYS[2], now, id)
  redis.call('PEXPIRE', KEYS[2], 61000)
  minute = minute + 1
end
if places >= 0 then
  redis.call('ZADD', KEYS[3], ARGV[12], id)
  redis.call('PEXPIREAT', KEYS[3], ARGV[12])
  taken = taken + 1
end
return answer(ADMITTED)
