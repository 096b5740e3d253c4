-- Ends a rebuild: makes a window what the database says, and what happened here since it said so.
--
-- KEYS: the window, the minute, the places.
-- ARGV: the token, expiry, start and reset of the window (Unix seconds), the end of a place (milliseconds); then lists, each after its
-- length: sums (class, requests, tokens); open in the database (id, requests, tokens, class, 1 if it has ended); open here at the beginning and in
-- the ledger (id, requests, tokens, class); open here at the beginning and unknown to the database (id); settled here before
-- the beginning (id); in the minute (id, milliseconds); running (id).
-- Answers {verdict, was warm (1 or 0), requests and tokens before, the same after, classes that were wrong, reservations that were missing or wrong}.
local DONE, LOST, UNCLEAR = 0, 1, 2
local all = redis.call('HGETALL', KEYS[1])
local window = {}
for i = 1, #all, 2 do
  window[all[i]] = all[i + 1]
end
if not window['rebuild'] or string.match(window['rebuild'], '^(%S+)') ~= ARGV[1] then
  return {LOST, 0, 0, 0, 0, 0, 0, 0} -- Redis was emptied since, or another took over
end

local next_arg = 6
local function list(width)
  local n, items = tonumber(ARGV[next_arg]), {}
  next_arg = next_arg + 1
  for i = 1, n do
    local item = {}
    for j = 1, width do
      item[j] = ARGV[next_arg]
      next_arg = next_arg + 1
    end
    items[i] = item
  end
  return items
end
local sums, open, ledger, unknown, earlier, minute, running = list(3), list(5), list(4), list(1), list(1), list(2), list(1)

-- What the window should say: requests and tokens of all, and of each class.
local requests, tokens, of = 0, 0, {}
local function add(class, more_requests, more_tokens, sign)
  more_requests, more_tokens = sign * tonumber(more_requests), sign * tonumber(more_tokens)
  requests, tokens = requests + more_requests, tokens + more_tokens
  if class ~= '' then
    of[class] = of[class] or {0, 0}
    of[class] = {of[class][1] + more_requests, of[class][2] + more_tokens}
  end
end
-- add_value adds a reservation or a late settlement, as it is here; false if it is none that anybody made.
local function add_value(value)
  local more_requests, more_tokens, class = string.match(value or '', '^(%d+) (%d+) ?(.*)$')
  if more_requests then
    add(class, more_requests, more_tokens, 1)
  end
  return more_requests ~= nil
end

local clear, place, forged = {}, {}, {} -- ids whose place in the sums is clear; reservations to be made, and to be taken away
for _, s in ipairs(sums) do
  add(s[1], s[2], s[3], 1)
end
for _, r in ipairs(open) do
  clear[r[1]] = true
  local here, charge = window[r[1]], r[2] .. ' ' .. r[3] .. (r[4] == '' and '' or ' ' .. r[4])
  -- What has ended is not settled yet: its reservation stays what it was until then.
  local stays = here == charge or here and r[5] == '1'
  if not add_value(window['late:' .. r[1]]) and not (stays and add_value(here)) then
    add(r[4], r[2], r[3], 1)
    place[r[1]] = charge
  end
end
for _, r in ipairs(ledger) do
  clear[r[1]] = true
  if add_value(window[r[1]]) then -- its settlement is still to come, and will replace the reservation
    add(r[4], r[2], r[3], -1)
  else
    forged[r[1]] = true
  end
end
for _, r in ipairs(unknown) do
  clear[r[1]] = true
  if not add_value(window['late:' .. r[1]]) and not add_value(window[r[1]]) then
    forged[r[1]] = true
  end
end
for _, r in ipairs(earlier) do
  clear[r[1]] = true
end
for field in pairs(window) do
  local id = string.sub(field, 1, 5) == 'late:' and string.sub(field, 6) or field
  if #id == 36 and string.match(id, '^%x+%-%x+%-%x+%-%x+%-%x+$') and not clear[id] then
    return {UNCLEAR, 0, 0, 0, 0, 0, 0, 0} -- reserved or settled since the beginning: the sums may have it, or not
  end
end

local warm = window['requests'] and 1 or 0
local before_requests, before_tokens = tonumber(window['requests']) or 0, tonumber(window['tokens']) or 0
local wrong, missing = 0, 0
for field, value in pairs(window) do
  local class = string.match(field, '^requests:(.*)$')
  if class then
    of[class] = of[class] or {0, 0}
  end
end
local function whole(n) return string.format('%.0f', n) end
for class, sum in pairs(of) do
  if (tonumber(window['requests:' .. class]) or 0) ~= sum[1] or (tonumber(window['tokens:' .. class]) or 0) ~= sum[2] then
    wrong = wrong + 1
  end
  redis.call('HSET', KEYS[1], 'requests:' .. class, whole(sum[1]), 'tokens:' .. class, whole(sum[2]))
end
for id, value in pairs(place) do
  redis.call('HSET', KEYS[1], id, value)
  missing = missing + 1
end
for id in pairs(forged) do
  if redis.call('HDEL', KEYS[1], id) == 1 then
    missing = missing + 1
  end
end
for field in pairs(window) do
  if string.sub(field, 1, 5) == 'late:' then
    redis.call('HDEL', KEYS[1], field)
  end
end
redis.call('HDEL', KEYS[1], 'rebuild')
redis.call('HSET', KEYS[1], 'requests', whole(requests), 'tokens', whole(tokens), 'start', ARGV[3], 'reset', ARGV[4])
redis.call('EXPIREAT', KEYS[1], ARGV[2])

-- The minute and the places are only filled up: who keeps them knows better than the database.
if warm == 0 then
  for _, m in ipairs(minute) do
    redis.call('ZADD', KEYS[2], 'NX', m[2], m[1])
    redis.call('PEXPIRE', KEYS[2], 61000)
  end
  for _, r in ipairs(running) do
    redis.call('ZADD', KEYS[3], 'NX', ARGV[5], r[1])
    redis.call('PEXPIREAT', KEYS[3], ARGV[5])
  end
end
return {DONE, warm, before_requests, before_tokens, requests, tokens, wrong, missing}
