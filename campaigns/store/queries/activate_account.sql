-- A new life: both streaks, the rest and what ended the old life are forgotten; only what is sent from now on counts.
UPDATE accounts
SET active = true, inactive_reason = NULL, activated_at = clock_timestamp(),
    consecutive_failures = 0, failures = '[]', consecutive_reported = 0, reported = '[]',
    blocked_until = NULL, blocked_reason = NULL, block_count = 0
WHERE id = %(account_id)s
