-- Sliding counter: a hash of the window's number `w`, the units in it `c` and in the one before `p`, which weigh as much as the span
-- reaches into it.
--
-- ARGV: limit, microseconds of the window, cost of a request, requests (0: look; negative: give back).
-- Answers: requests admitted, units left, microseconds until such a request is admitted (-1: never) and until nothing counts any more.
local key, limit, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, requests = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local number = math.floor(now / window)
local past = now - number * window

local held = redis.call('HMGET', key, 'w', 'c', 'p')
local stored, current, previous = tonumber(held[1] or number), tonumber(held[2] or 0), tonumber(held[3] or 0)
-- Where the clock has gone back, what was counted counts on in the window of now.
if number == stored + 1 then
  current, previous = 0, current
elseif number > stored then
  current, previous = 0, 0
end

-- Rounded up, so that no rounding admits too much.
local function left()
  return limit - current - math.ceil(previous * (window - past) / window)
end

local admitted = 0
if requests > 0 then
  admitted = math.max(math.min(requests, math.floor(left() / cost)), 0)
  current = current + admitted * cost
elseif requests < 0 then
  current = math.max(current + requests * cost, 0)
end
if admitted > 0 or requests < 0 or stored > number then
  redis.call('HSET', key, 'w', string.format('%.0f', number), 'c', current, 'p', previous)
  redis.call('PEXPIRE', key, math.ceil((2 * window - past) / 1000))
end

-- How far into a window `before` units of the one before it must have gone, so that `room` are left for them.
local function wait(before, room)
  if before <= room then return 0 end
  return math.ceil(window - room * window / before)
end

local retry = -1
if left() >= cost then
  retry = 0
elseif cost <= limit then
  local room = limit - current - cost
  if room >= 0 then
    retry = wait(previous, room) - past
  else
    retry = window - past + wait(current, limit - cost)
  end
end
local reset = 0
if current > 0 then reset = 2 * window - past elseif previous > 0 then reset = window - past end
return {admitted, math.max(left(), 0), retry, reset}
