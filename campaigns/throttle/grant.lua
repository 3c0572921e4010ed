-- KEYS  for each account: revoada:throttle:<account>          hash: tokens at rate factor halved_at served:<campaign>
--                         revoada:throttle:<account>:waiting  campaigns that lack tokens, by what they were served
--                         revoada:throttle:<account>:until    campaigns known, by the time when they are forgotten
-- ARGV  the asking campaign; for each account: rate want give_back throttled_at
-- Reply (strings): server time; for each account: tokens granted, seconds until more are worth asking for, rate in force
--
-- A token bucket for each account, all in one step, by the server's own clock. The campaigns that asked and did not
-- get all they wanted share its bucket token by token, the least served first (start-time fair queueing): a token is
-- granted only if the bucket also holds those whose turn comes earlier. So each can be told when its own turn comes.
-- Whatever is missing or unreadable counts as a new bucket, which is empty.

local BURST = 0.25               -- seconds of the rate that a bucket holds, but one token at least
local LOT = 0.1                  -- seconds of its share for which an asker is told to wait, so that claims come in sets
local CLIMB = 0.05               -- of the configured rate, regained per second after a halving
local FLOOR = 1 / 32             -- of the configured rate, under which no halving goes
local HALVING_GAP = 1            -- seconds
local RETRY_MIN, RETRY_MAX = 0.005, 60
local RETRY_MARGIN = 0.00001     -- TIME cuts to microseconds
local LATE = 0.25                -- seconds after its retry for which the turn of a waiting campaign is kept
local REMEMBER = 1               -- seconds for which is known what a campaign was served that waits for nothing
local EXPIRE = 3600              -- seconds until an idle account is forgotten, longer at less than a message per hour
local GOLDEN = 0.6180339887498949

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local function clamp(value, low, high)
  return math.max(low, math.min(high, value))
end

local function number(text)
  local value = tonumber(text)
  if value and value > -1e15 and value < 1e15 then return value end -- neither NaN nor infinity
end

local function read(command, key, ...)
  local reply = redis.pcall(command, key, ...)
  if type(reply) ~= 'table' or not reply.err then return reply end
  redis.call('DEL', key) -- another type
  return {}
end

-- Seconds of the configured rate that arrive within `seconds`, while the factor climbs.
local function arriving(factor, seconds)
  local climbing = math.min(seconds, (1 - factor) / CLIMB)
  return climbing * (factor + CLIMB * climbing / 2) + seconds - climbing
end

-- Its inverse.
local function seconds_until(factor, amount)
  local climbing = (1 - factor) / CLIMB
  local arrived = climbing * (1 + factor) / 2
  if amount >= arrived then return climbing + amount - arrived end
  return (math.sqrt(factor * factor + 2 * CLIMB * amount) - factor) / CLIMB
end

local function open_bucket(key, campaign, rate, give_back, throttled_at)
  local stored = read('HMGET', key, 'tokens', 'at', 'rate', 'factor', 'halved_at', 'served:' .. campaign)
  local tokens, at, rate_before = number(stored[1]), number(stored[2]), number(stored[3])
  local factor, halved_at = number(stored[4]), number(stored[5])
  if not (tokens and at and rate_before and factor and halved_at) then
    tokens, at, rate_before, factor, halved_at = 0, now, rate, 1, 0
  end

  local elapsed = math.max(0, now - at) -- a clock that was set back costs tokens, never gives any
  factor, halved_at = clamp(factor, FLOOR, 1), math.min(halved_at, now)
  tokens = tokens + rate_before * arriving(factor, elapsed)
  factor = math.min(1, factor + CLIMB * elapsed)
  if throttled_at > halved_at and now - halved_at >= HALVING_GAP then
    factor, halved_at = math.max(FLOOR, factor / 2), now
  end

  local bucket = { rate = rate, factor = factor, halved_at = halved_at, in_force = rate * factor }
  bucket.served = number(stored[6])
  bucket.capacity = math.max(1, BURST * bucket.in_force)
  bucket.tokens = clamp(math.min(bucket.capacity, tokens) + give_back, -bucket.in_force, bucket.capacity)
  return bucket
end

local function save_bucket(key, campaign, bucket)
  redis.call('HSET', key,
    'tokens', string.format('%.9f', bucket.tokens), 'at', string.format('%.6f', now),
    'rate', string.format('%.17g', bucket.rate), 'factor', string.format('%.9f', bucket.factor),
    'halved_at', string.format('%.6f', bucket.halved_at), 'served:' .. campaign, string.format('%.7f', bucket.served))
end

-- Forgets those that did not come back; times too far ahead are from before the clock was set back.
local function forget(key, waiting, known)
  for _, range in ipairs({ { '-inf', now }, { now + RETRY_MAX + 1, '+inf' } }) do
    for _, campaign in ipairs(read('ZRANGEBYSCORE', known, range[1], range[2])) do
      redis.call('ZREM', known, campaign)
      redis.call('ZREM', waiting, campaign)
      redis.call('HDEL', key, 'served:' .. campaign)
    end
  end
end

local function take(waiting, known, campaign, bucket, want)
  read('ZREM', waiting, campaign)
  local others = redis.call('ZCARD', waiting)
  local lot = math.max(1, math.floor(LOT * bucket.in_force / (others + 1)))
  -- No two campaigns have the same fraction, so there are no ties.
  local served = bucket.served or tonumber(campaign) * GOLDEN % 1
  if others > 0 then
    local least = tonumber(redis.call('ZRANGE', waiting, 0, 0, 'WITHSCORES')[2])
    local most = tonumber(redis.call('ZRANGE', waiting, -1, -1, 'WITHSCORES')[2])
    if not bucket.served then served = served + math.floor(least) + 1 end -- behind the first, or newcomers would starve it
    served = math.max(served, served % 1 + math.floor(most) - lot) -- no claims from the time before
  end

  -- The tokens that the bucket must hold before it may give `wanted` of them: those of each other campaign that come
  -- before the last wanted one count too, up to a lot.
  local function needed(wanted)
    if others == 0 then return wanted end
    local last = served + wanted - 1
    local full = string.format('(%.7f', last - lot + 1)
    local sum = wanted + lot * redis.call('ZCOUNT', waiting, '-inf', full)
    if lot > 1 then
      local partly = redis.call('ZRANGEBYSCORE', waiting, string.sub(full, 2), string.format('(%.7f', last), 'WITHSCORES')
      for i = 2, #partly, 2 do sum = sum + math.ceil(last - tonumber(partly[i])) end
    end
    return sum
  end

  local granted, limit = 0, clamp(math.floor(bucket.tokens), 0, want)
  while granted < limit do -- a binary search
    local middle = math.ceil((granted + limit) / 2)
    if needed(middle) <= bucket.tokens then granted = middle else limit = middle - 1 end
  end

  local missing, retry, keep = want - granted, 0, REMEMBER
  bucket.served = served + granted
  if missing > 0 then
    local lacking = (needed(granted + math.min(lot, missing)) - bucket.tokens) / bucket.rate
    retry = clamp(seconds_until(bucket.factor, lacking) + RETRY_MARGIN, RETRY_MIN, RETRY_MAX)
    keep = retry + LATE
    redis.call('ZADD', waiting, string.format('%.7f', bucket.served), campaign)
  end
  redis.call('ZADD', known, string.format('%.6f', now + keep), campaign)
  bucket.tokens = bucket.tokens - granted
  return granted, retry
end

local campaign, reply = ARGV[1], { string.format('%.6f', now) }
for i = 0, #KEYS / 3 - 1 do
  local key, waiting, known = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local rate, want = tonumber(ARGV[4 * i + 2]), tonumber(ARGV[4 * i + 3])
  forget(key, waiting, known)
  local bucket = open_bucket(key, campaign, rate, tonumber(ARGV[4 * i + 4]), tonumber(ARGV[4 * i + 5]))
  local granted, retry = take(waiting, known, campaign, bucket, want)
  save_bucket(key, campaign, bucket)
  for _, name in ipairs({ key, waiting, known }) do
    redis.call('EXPIRE', name, math.ceil(math.max(EXPIRE, 2 / rate)))
  end
  table.insert(reply, string.format('%d', granted))
  table.insert(reply, string.format('%.6f', retry))
  table.insert(reply, string.format('%.9g', bucket.in_force))
end
return reply
