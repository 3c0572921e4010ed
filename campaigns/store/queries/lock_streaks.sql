-- The accounts whose replies or reports hold a failure, locked in their order, so that the fold sees and moves one truth.
SELECT id, name, active, activated_at, failure_limit, failures, reported
FROM accounts WHERE id = ANY (%(account_ids)s)
ORDER BY id FOR UPDATE
