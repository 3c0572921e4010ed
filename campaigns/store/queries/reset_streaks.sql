-- A success ends the streak of an account and the growth of its rests. Writes nothing where there is nothing to end,
-- which is nearly always.
UPDATE accounts a
SET consecutive_failures = 0, failures = '[]', block_count = 0
FROM unnest(%(account_ids)s::bigint[], %(activated_at)s::timestamptz[]) AS s (id, activated_at)
WHERE a.id = s.id AND a.activated_at = s.activated_at
    AND (a.consecutive_failures > 0 OR a.block_count > 0) AND a.active
