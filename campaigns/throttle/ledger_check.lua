-- Checks a database, and the claims of at most one campaign, against the ledger.
--
-- KEYS   the two keys of ledger.py
-- ARGV   incarnation and position of the database; the position that the ledger had before the position of the database
--        was read, '' if it was not looked up; of a campaign that is about to be sent: id, epoch, number of claims
-- Reply  1: this is the known database and it has the claims of the campaign, which are noted as final; 0: otherwise
local known = redis.call('HMGET', KEYS[1], 'incarnation', 'position', 'changed_at')
if known[1] ~= ARGV[1] or known[3] or tonumber(ARGV[2]) < tonumber(ARGV[3] ~= '' and ARGV[3] or known[2]) then return 0 end
if ARGV[4] then
  local noted = redis.call('HGET', KEYS[2], ARGV[4])
  if noted then
    local epoch, count, is_final = string.match(noted, '^(%d+) (%d+) ([01])$')
    -- If the last claim is not final, its process may have died before the commit.
    local least = tonumber(count) - (is_final == '1' and 0 or 1)
    if tonumber(ARGV[5]) < tonumber(epoch) or tonumber(ARGV[6]) < least then return 0 end
  end
  redis.call('HSET', KEYS[2], ARGV[4], ARGV[5] .. ' ' .. ARGV[6] .. ' 1')
end
if tonumber(ARGV[2]) > tonumber(known[2]) then redis.call('HSET', KEYS[1], 'position', ARGV[2]) end
return 1
