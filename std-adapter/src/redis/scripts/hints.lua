-- Who has opened: one member of a sorted set for each host, its score the millisecond of the server's clock at which what it said is over.
--
-- ARGV: host, and milliseconds for which it says so (0: it only asks).
-- Answers: how many other hosts say so now.
local key, host, span = KEYS[1], ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
if span > 0 then
  redis.call('ZADD', key, string.format('%.0f', now + span), host)
  redis.call('PEXPIRE', key, math.max(span, redis.call('PTTL', key)))
end
local others = redis.call('ZCARD', key)
if redis.call('ZSCORE', key, host) then others = others - 1 end
return others
