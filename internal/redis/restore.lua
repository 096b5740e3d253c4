-- Installs a window as the database knows it, unless it is there.
-- KEYS: the window, its late settlements. ARGV: expiry, reset (Unix seconds both), settled requests, settled tokens; then
-- id, requests, tokens of each open reservation.
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end

local requests, tokens, open = tonumber(ARGV[3]), tonumber(ARGV[4]), 0
for i = 5, #ARGV, 3 do
  local id, charge = ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2]
  local late = redis.call('HGET', KEYS[2], id)
  if not late then
    redis.call('HSET', KEYS[1], id, charge)
    open = open + 1
  end
  local more_requests, more_tokens = string.match(late or charge, '^(%S+) (%S+)$')
  requests, tokens = requests + tonumber(more_requests), tokens + tonumber(more_tokens)
end
redis.call('HSET', KEYS[1],
  'requests', string.format('%.0f', requests), 'tokens', string.format('%.0f', tokens), 'reset', ARGV[2],
  'open', open)
redis.call('EXPIREAT', KEYS[1], ARGV[1])
return 1
