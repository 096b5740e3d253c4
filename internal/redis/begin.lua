-- Begins to rebuild a window from the database, unless another does.
-- KEYS: the window. ARGV: a token, seconds that it may take, whether only a cold window is wanted (1 or 0).
-- Answers {verdict, ids of the open reservations and, after an empty one, of the late settlements}.
local BEGUN, BUSY, WARM = 0, 1, 2
local window = redis.call('HMGET', KEYS[1], 'requests', 'rebuild')
if window[1] and ARGV[3] == '1' then
  return {WARM}
end
local now = tonumber(redis.call('TIME')[1]) -- the server's: all that rebuild and settle agree on it
if window[2] and now < tonumber(string.match(window[2], ' (%d+)$')) then
  return {BUSY}
end
local deadline = string.format('%.0f', now + tonumber(ARGV[2]))
redis.call('HSET', KEYS[1], 'rebuild', ARGV[1] .. ' ' .. deadline)
if not window[1] then
  redis.call('EXPIREAT', KEYS[1], deadline) -- it does not outlive a rebuild that ends nowhere
end
local answer, late = {BEGUN}, {}
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  if string.sub(field, 1, 5) == 'late:' then
    late[#late + 1] = string.sub(field, 6)
  elseif #field == 36 and string.match(field, '^%x+%-%x+%-%x+%-%x+%-%x+$') then
    answer[#answer + 1] = field
  end
end
answer[#answer + 1] = ''
for _, id in ipairs(late) do
  answer[#answer + 1] = id
end
return answer
