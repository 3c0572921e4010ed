-- A success ends the streak of an account and the growth of its cooldowns (`is_whole`), and the streak of a category
-- (not NULL). Nearly always there is no streak to end, and the statement writes nothing. Reading `ended` makes sure
-- that accounts are locked before their categories.
WITH s AS MATERIALIZED (
    SELECT * FROM unnest(
        %(account_ids)s::bigint[], %(activated_at)s::timestamptz[], %(categories)s::text[], %(are_whole)s::bool[]
    ) AS t (account_id, activated_at, category, is_whole)
), ended AS (
    UPDATE accounts a
    SET consecutive_failures = 0, failures = '[]', block_count = 0
    FROM s
    WHERE s.is_whole AND a.id = s.account_id AND a.activated_at = s.activated_at
        AND (a.consecutive_failures > 0 OR a.block_count > 0) AND a.active
    RETURNING a.id
)
UPDATE account_categories k
SET failures = '[]'
FROM s
WHERE (SELECT count(*) FROM ended) >= 0
    AND k.account_id = s.account_id AND k.category = s.category AND k.activated_at = s.activated_at
    AND k.failures <> '[]' AND k.inactive_since IS NULL
