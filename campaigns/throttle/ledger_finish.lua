-- Notes the claims of a lease as final, unless another process has the lease by now.
--
-- KEYS   revoada:claims
-- ARGV   campaign, epoch of the lease, number of claims whose messages may have left
local noted = redis.call('HGET', KEYS[1], ARGV[1])
if noted and string.match(noted, '^%d+') == ARGV[2] then
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2] .. ' ' .. ARGV[3] .. ' 1')
end
