-- Token bucket (GCRA): the key holds the theoretical arrival time, "tat", in eighths of a microsecond since 2025-06-15 on the server's
-- clock: integers that a double holds exactly until 2060. Arithmetic makes numbers of strings, faster than a call of `tonumber`.
--
-- ARGV: burst, tokens a period, microseconds of a period, cost of a request, requests (0: look; negative: give back).
-- Answers: requests admitted, tokens left, microseconds until such a request is admitted (-1: never) and until the bucket is full.
local key, burst, count, period = KEYS[1], ARGV[1] + 0, ARGV[2] + 0, ARGV[3] * 8
local cost, requests = ARGV[4] + 0, ARGV[5] + 0
local floor, ceil = math.floor, math.ceil
local time = redis.call('TIME')
local now = (time[1] - 1750000000) * 8000000 + time[2] * 8

-- What is taken is rounded up, so that no rounding admits too much. The tat of an empty bucket:
local empty = now + ceil(burst * period / count)
local stored = redis.call('GET', key)
local tat = stored and stored + 0 or now
-- One further ahead comes from another clock or another limit.
local is_foreign = tat > empty
if is_foreign then tat = empty elseif tat < now then tat = now end

local admitted = 0
if requests > 0 then
  admitted = floor((empty - tat) * count / period / cost)
  if admitted > requests then admitted = requests end
  tat = tat + ceil(admitted * cost * period / count)
elseif requests < 0 then
  tat = tat - floor(-requests * cost * period / count)
  if tat < now then tat = now end
end
if admitted > 0 or requests < 0 or is_foreign then
  if tat > now then
    redis.call('SET', key, string.format('%.0f', tat), 'PX', ceil((tat - now) / 8000))
  else
    redis.call('DEL', key)
  end
end

local retry = -1
if cost <= burst then
  retry = ceil((tat + ceil(cost * period / count) - empty) / 8)
  if retry < 0 then retry = 0 end
end
local left = floor((empty - tat) * count / period)
if left < 0 then left = 0 elseif left > burst then left = burst end
return {admitted, left, retry, ceil((tat - now) / 8)}
