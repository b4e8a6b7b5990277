-- Places of a concurrency limit: one member of a sorted set for each holder, its score the millisecond of the server's clock at which its
-- lease ends.
--
-- ARGV: limit, milliseconds of the lease, holder, and "take", "renew" or "give".
-- Answers: 1 when the holder has a place now, places left, and milliseconds until the next lease ends.
local key, limit, lease, holder = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
-- Leases that end later than any can come from a clock that has gone back.
redis.call('ZREMRANGEBYSCORE', key, string.format('(%.0f', now + 2 * lease), '+inf')

local has = redis.call('ZSCORE', key, holder)
local used = redis.call('ZCARD', key)
if ARGV[4] == 'give' then
  used = used - redis.call('ZREM', key, holder)
  has = false
elseif has or (ARGV[4] == 'take' and used < limit) then
  redis.call('ZADD', key, string.format('%.0f', now + lease), holder)
  if not has then used = used + 1 end
  has = true
  redis.call('PEXPIRE', key, 2 * lease)
end
local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
local ends = first[2] and tonumber(first[2]) - now or 0
return {has and 1 or 0, math.max(limit - used, 0), ends}
