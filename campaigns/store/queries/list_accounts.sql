-- Accounts as people see them: no token. `account_ids` NULL: all.
SELECT
    a.id, a.name, a.phone_number_id, a.waba_id, p.name AS portfolio, a.messages_per_second, a.failure_limit, a.active, a.inactive_reason,
    a.activated_at, a.consecutive_failures, a.failures, a.consecutive_reported, a.reported,
    CASE WHEN a.blocked_until > clock_timestamp() THEN a.blocked_until END AS blocked_until,
    CASE WHEN a.blocked_until > clock_timestamp() THEN a.blocked_reason END AS blocked_reason,
    a.health_checked_at, a.health, a.created_at
FROM accounts a
LEFT JOIN portfolios p ON p.id = a.portfolio_id
WHERE %(account_ids)s::bigint[] IS NULL OR a.id = ANY (%(account_ids)s)
ORDER BY a.id
