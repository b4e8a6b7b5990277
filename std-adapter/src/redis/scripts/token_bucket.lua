-- Token bucket (GCRA): the key holds the theoretical arrival time, "tat", in eighths of a microsecond since 2025-06-15 on the server's
-- clock: integers that a double holds exactly until 2060.
--
-- ARGV: burst, tokens a period, microseconds of a period, cost of a request, requests (0: look; negative: give back).
-- Answers: requests admitted, tokens left, microseconds until such a request is admitted (-1: never) and until the bucket is full.
local burst, count, period = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]) * 8
local cost, requests = tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = (time[1] - 1750000000) * 8000000 + time[2] * 8

-- Rounded up, so that no rounding admits too much.
local function span(tokens)
  return math.ceil(tokens * period / count)
end

local full = span(burst)
local stored = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
-- A tat further ahead than an empty bucket's comes from another clock or another limit.
local tat = math.min(stored, now + full)
local admitted = 0
if requests > 0 then
  admitted = math.min(requests, math.floor((now + full - tat) * count / period / cost))
  tat = tat + span(admitted * cost)
elseif requests < 0 then
  tat = math.max(tat - math.floor(-requests * cost * period / count), now)
end
if admitted > 0 or requests < 0 or stored > now + full then
  if tat > now then
    redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 8000))
  else
    redis.call('DEL', KEYS[1])
  end
end

local retry = -1
if cost <= burst then
  retry = math.max(math.ceil((tat + span(cost) - full - now) / 8), 0)
end
local left = math.floor((now + full - tat) * count / period)
return {admitted, math.min(math.max(left, 0), burst), retry, math.ceil((tat - now) / 8)}
