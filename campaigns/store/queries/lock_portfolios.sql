-- Free slots of portfolios, which stay as they are until this transaction ends: each claim takes the lock, so two
-- runners never take the last slot both. In their order; before messages, which `portfolio_people` never waits for.
SELECT id, daily_limit - people_count FROM portfolios WHERE id = ANY (%(portfolio_ids)s)
ORDER BY id
FOR NO KEY UPDATE
