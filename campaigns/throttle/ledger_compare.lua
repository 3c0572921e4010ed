-- Compares the claims of all campaigns in a database with the ledger.
--
-- KEYS   the two keys of ledger.py
-- ARGV   incarnation, position and recovery time of the database; the position that the ledger had before these were
--        read, '' if it had none; the number of campaigns in the database; for each of them: id, epoch, number of
--        claims; for each campaign that the ledger had before: id, and its text in the ledger
-- Reply  strings: how many seconds ago claims were first found missing; the campaigns that lack claims
local MOST = 100 -- the reply names at most this many campaigns

local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local stored = redis.call('HMGET', KEYS[1], 'incarnation', 'position', 'recovered_at', 'changed_at')
local is_same = stored[1] == ARGV[1] and tonumber(ARGV[2]) >= (tonumber(ARGV[4]) or 0)
-- A person has recovered this database since the last comparison. The recovery made the messages of missing claims
-- uncertain, so the ledger starts empty.
local is_recovered = ARGV[3] > (stored[3] or '')
if is_recovered then redis.call('DEL', KEYS[2]) end

local FIRST, last = 6, 5 + 3 * tonumber(ARGV[5])
local counts = {}
for i = FIRST, last, 3 do counts[ARGV[i]] = tonumber(ARGV[i + 2]) end

-- In the known database, processes go on claiming while the counts are read. So the counts are compared with what the
-- ledger had before. The database had committed these claims by then, except the last one of each campaign.
local behind, noted = {}, {}
if is_same and not is_recovered then
  for i = last + 1, #ARGV do table.insert(noted, ARGV[i]) end
else
  noted = redis.call('HGETALL', KEYS[2])
end
for i = 1, #noted, 2 do
  local count, is_final = string.match(noted[i + 1], '^%d+ (%d+) ([01])$')
  -- In the known database, a last claim that is not final may be missing: its process may have died before the commit.
  local least = tonumber(count) - ((is_same and is_final == '0') and 1 or 0)
  if (counts[noted[i]] or 0) < least and #behind < MOST then table.insert(behind, noted[i]) end
end

if #behind > 0 then
  redis.call('HSETNX', KEYS[1], 'changed_at', string.format('%.6f', now))
  local since = tonumber(redis.call('HGET', KEYS[1], 'changed_at'))
  return { string.format('%.6f', math.max(0, now - since)), unpack(behind) }
end
redis.call('HDEL', KEYS[1], 'changed_at')
local position = is_same and tonumber(stored[2]) > tonumber(ARGV[2]) and stored[2] or ARGV[2]
redis.call('HSET', KEYS[1], 'incarnation', ARGV[1], 'position', position, 'recovered_at', ARGV[3])
-- If the ledger lacks campaigns, because Valkey lost its data, they are added again.
for i = FIRST, last, 3 do redis.call('HSETNX', KEYS[2], ARGV[i], ARGV[i + 1] .. ' ' .. ARGV[i + 2] .. ' 1') end
return { '0' }
