-- Grants tokens of one or more accounts to one campaign, atomically and by the clock of the server.
--
-- KEYS   for each account: revoada:throttle:<account>          hash: tokens at rate factor halved_at served:<campaign>
--                          revoada:throttle:<account>:waiting  zset: campaigns that lack tokens, by their `served`
--                          revoada:throttle:<account>:until    zset: known campaigns, by the time of their removal
--        if a claim in Postgres follows: the two keys of ledger.py
-- ARGV   the campaign that asks; 1 if it comes first, else 0; for each account: rate want give_back throttled_at
--        if a claim follows: incarnation of the database, epoch of the lease, number of the claim
-- Reply  strings: server time; for each account: tokens granted, seconds until the next request, rate in force
--        if the claim must not take place: one string, 'database' or 'lease'
--
-- Each account has a token bucket. The bucket fills with the configured rate times a factor. The factor is halved when
-- Meta refuses a message as sent too fast, and then climbs back to 1.
--
-- Campaigns that want more tokens than they got share the bucket token by token, by start-time fair queueing. `served`
-- is a campaign's virtual time: it grows by one with each token, and the campaign with the lowest value comes first. A
-- campaign gets a token only if the bucket also holds enough tokens for all campaigns that come before it. So the
-- script can tell each campaign when to ask for its tokens again.
--
-- A campaign that comes first gets its tokens as if no other campaign waited, and stands before all others in the queue.
--
-- If a stored value is missing or unreadable, the bucket counts as new. A new bucket is empty.

local BURST = 0.25               -- a bucket can hold the tokens of this many seconds, and at least one token
local LOT = 0.1                  -- a campaign waits until it can take its tokens of this many seconds together
local CLIMB = 0.05               -- part of the configured rate that an account regains per second
local FLOOR = 1 / 32             -- lowest factor; no halving goes below it
local HALVING_GAP = 1            -- the least time between two halvings, in seconds
local RETRY_MIN, RETRY_MAX = 0.005, 60
local RETRY_MARGIN = 0.00001     -- added because TIME is precise to microseconds only
local LATE = 0.25                -- seconds for which a campaign keeps its place in the queue after its retry time
local REMEMBER = 1               -- seconds for which a campaign that waits for no tokens keeps its `served`
local EXPIRE = 3600              -- seconds until the keys of an idle account expire; more if the rate is below 2/hour
local GOLDEN = 0.6180339887498949
local FIRST = -1e9               -- the place in the queue of a campaign that comes first; other places are not negative

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
  redis.call('DEL', key) -- the key had another type
  return {}
end

-- Returns the tokens that arrive within `seconds` while the factor climbs, divided by the configured rate.
local function arriving(factor, seconds)
  local climbing = math.min(seconds, (1 - factor) / CLIMB)
  return climbing * (factor + CLIMB * climbing / 2) + seconds - climbing
end

-- The inverse of `arriving`: returns the seconds until `amount` has arrived.
local function seconds_until(factor, amount)
  local climbing = (1 - factor) / CLIMB
  local arrived = climbing * (1 + factor) / 2
  if amount >= arrived then return climbing + amount - arrived end
  return (math.sqrt(factor * factor + 2 * CLIMB * amount) - factor) / CLIMB
end

local function load_bucket(key, campaign, rate, give_back, throttled_at)
  local stored = read('HMGET', key, 'tokens', 'at', 'rate', 'factor', 'halved_at', 'served:' .. campaign)
  local tokens, at, rate_before = number(stored[1]), number(stored[2]), number(stored[3])
  local factor, halved_at = number(stored[4]), number(stored[5])
  if not (tokens and at and rate_before and factor and halved_at) then
    tokens, at, rate_before, factor, halved_at = 0, now, rate, 1, 0
  end

  local elapsed = math.max(0, now - at) -- if the clock was set back, no time counts as passed
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

-- Removes campaigns that did not ask again in time. Also removes campaigns whose time is too far in the future, because
-- that time was stored before the clock was set back.
local function remove_expired(key, waiting, known)
  for _, range in ipairs({ { '-inf', now }, { now + RETRY_MAX + 1, '+inf' } }) do
    for _, campaign in ipairs(read('ZRANGEBYSCORE', known, range[1], range[2])) do
      redis.call('ZREM', known, campaign)
      redis.call('ZREM', waiting, campaign)
      redis.call('HDEL', key, 'served:' .. campaign)
    end
  end
end

local function grant_tokens(waiting, known, campaign, bucket, want, comes_first)
  read('ZREM', waiting, campaign)
  local others = comes_first and 0 or redis.call('ZCARD', waiting)
  local lot = math.max(1, math.floor(LOT * bucket.in_force / (others + 1)))
  -- Each campaign's `served` has a fraction of its own, so two campaigns never have equal values.
  local served = bucket.served or tonumber(campaign) * GOLDEN % 1
  local least = others > 0 and redis.call('ZRANGEBYSCORE', waiting, 0, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2]
  if least then
    local most = tonumber(redis.call('ZRANGE', waiting, -1, -1, 'WITHSCORES')[2])
    -- A new campaign goes behind the first campaign in the queue. Otherwise new campaigns could starve that campaign.
    if not bucket.served then served = served + math.floor(tonumber(least)) + 1 end
    served = math.max(served, served % 1 + math.floor(most) - lot) -- a time without calls gives no advantage
  end

  -- Returns how many tokens the bucket must hold before it may grant `wanted` tokens. These are the wanted tokens, and
  -- the tokens that other campaigns get before the last wanted token, at most `lot` tokens for each other campaign.
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
  while granted < limit do -- binary search for the largest number that the bucket allows
    local middle = math.ceil((granted + limit) / 2)
    if needed(middle) <= bucket.tokens then granted = middle else limit = middle - 1 end
  end

  local missing, retry, keep = want - granted, 0, REMEMBER
  bucket.served = served + granted
  if missing > 0 then
    local lacking = (needed(granted + math.min(lot, missing)) - bucket.tokens) / bucket.rate
    retry = clamp(seconds_until(bucket.factor, lacking) + RETRY_MARGIN, RETRY_MIN, RETRY_MAX)
    keep = retry + LATE
    redis.call('ZADD', waiting, string.format('%.7f', comes_first and FIRST or bucket.served), campaign)
  end
  redis.call('ZADD', known, string.format('%.6f', now + keep), campaign)
  bucket.tokens = bucket.tokens - granted
  return granted, retry
end

-- Notes the claim before the claim takes place. If the claim must not take place, returns the reason: Postgres may be
-- an older copy, or another process has taken the lease.
local function note_claim(database, claims, campaign, incarnation, epoch, number_of_claim)
  local known = read('HMGET', database, 'incarnation', 'changed_at')
  if known[2] or (known[1] and known[1] ~= incarnation) then return 'database' end
  local noted = redis.call('HGET', claims, campaign)
  if noted and tonumber(string.match(noted, '^%d+')) > tonumber(epoch) then return 'lease' end
  redis.call('HSET', claims, campaign, epoch .. ' ' .. number_of_claim .. ' 0')
end

local campaign, comes_first, reply = ARGV[1], ARGV[2] == '1', { string.format('%.6f', now) }
local accounts = math.floor(#KEYS / 3)
if #KEYS > 3 * accounts then
  local k, a = 3 * accounts, 4 * accounts + 2
  local refusal = note_claim(KEYS[k + 1], KEYS[k + 2], campaign, ARGV[a + 1], ARGV[a + 2], ARGV[a + 3])
  if refusal then return { refusal } end
end
for i = 0, accounts - 1 do
  local key, waiting, known = KEYS[3 * i + 1], KEYS[3 * i + 2], KEYS[3 * i + 3]
  local rate, want = tonumber(ARGV[4 * i + 3]), tonumber(ARGV[4 * i + 4])
  remove_expired(key, waiting, known)
  local bucket = load_bucket(key, campaign, rate, tonumber(ARGV[4 * i + 5]), tonumber(ARGV[4 * i + 6]))
  local granted, retry = grant_tokens(waiting, known, campaign, bucket, want, comes_first)
  save_bucket(key, campaign, bucket)
  for _, name in ipairs({ key, waiting, known }) do
    redis.call('EXPIRE', name, math.ceil(math.max(EXPIRE, 2 / rate)))
  end
  table.insert(reply, string.format('%d', granted))
  table.insert(reply, string.format('%.6f', retry))
  table.insert(reply, string.format('%.9g', bucket.in_force))
end
return reply
