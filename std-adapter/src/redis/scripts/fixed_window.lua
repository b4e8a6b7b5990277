-- Fixed window: a count that expires a window after the first unit in it.
--
-- ARGV: limit, microseconds of the window, cost of a request, requests (0: look; negative: give back).
-- Answers: requests admitted, units left, microseconds until such a request is admitted (-1: never) and until the window ends.
local key, limit, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, requests = tonumber(ARGV[3]), tonumber(ARGV[4])
local used = tonumber(redis.call('GET', key) or 0)
local ends = used > 0 and redis.call('PTTL', key) or -1
if ends < 0 or ends * 1000 > window + 1000 then
  -- A new window, or one of another limit or clock.
  ends = math.ceil(window / 1000)
end

local admitted = 0
if requests > 0 then
  admitted = math.max(math.min(requests, math.floor((limit - used) / cost)), 0)
  used = used + admitted * cost
elseif requests < 0 then
  used = math.max(used + requests * cost, 0)
end
if admitted > 0 or requests < 0 then
  if used > 0 then
    redis.call('SET', key, used, 'PX', math.max(ends, 1))
  else
    redis.call('DEL', key)
  end
end

local retry = -1
if used + cost <= limit then
  retry = 0
elseif cost <= limit then
  retry = ends * 1000
end
return {admitted, math.max(limit - used, 0), retry, used > 0 and ends * 1000 or 0}
