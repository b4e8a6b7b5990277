-- Sliding window, exact: one member of a sorted set for each unit admitted, its score the microsecond of the server's clock.
--
-- ARGV: limit, microseconds of the window, cost of a request, requests (0: look; negative: give back).
-- Answers: requests admitted, units left, microseconds until such a request is admitted (-1: never) and until nothing is left in the window.
local key, limit, window = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2])
local cost, requests = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

local function score(rank)
  local found = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')
  return found[2] and tonumber(found[2])
end

local newest = score(-1)
if newest and newest > now + window then
  -- The clock has gone back by more than a window.
  redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + window), '+inf')
  newest = score(-1)
end
local used = redis.call('ZCARD', key)
-- Nothing is removed on the way of a request that the oldest unit alone denies.
local oldest = used > 0 and score(0)
if oldest and oldest <= now - window then
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now - window))
  used = redis.call('ZCARD', key)
end

local admitted = 0
if requests > 0 then
  admitted = math.max(math.min(requests, math.floor((limit - used) / cost)), 0)
  -- One after the other, so that no two are the same member.
  local at = math.max(now, (newest or 0) + 1)
  local units, members = admitted * cost, {}
  for unit = 1, units do
    local stamp = string.format('%.0f', at)
    members[#members + 1] = stamp
    members[#members + 1] = stamp
    at = at + 1
    if #members == 2000 or unit == units then
      redis.call('ZADD', key, unpack(members))
      members = {}
    end
  end
  used = used + units
  newest = units > 0 and at - 1 or newest
elseif requests < 0 then
  used = used - redis.call('ZREMRANGEBYRANK', key, requests * cost, -1)
  newest = score(-1)
end
if used > 0 and (admitted > 0 or requests < 0) then
  redis.call('PEXPIRE', key, math.ceil((newest + window - now) / 1000))
end

local retry = -1
if cost <= limit then
  local over = used + cost - limit
  retry = over > 0 and math.max(score(over - 1) + window - now, 0) or 0
end
local reset = used > 0 and math.max(newest + window - now, 0) or 0
return {admitted, math.max(limit - used, 0), retry, reset}
