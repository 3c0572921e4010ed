-- What a runner must know of accounts. `blocked_seconds`: how long the rest still lasts.
SELECT a.id, a.name, a.phone_number_id, a.token, a.messages_per_second, a.active, a.activated_at, a.portfolio_id,
    coalesce(greatest(extract(epoch FROM a.blocked_until - clock_timestamp()), 0), 0)::float8 AS blocked_seconds,
    coalesce(a.blocked_reason, '') AS blocked_reason,
    ARRAY(
        SELECT k.category FROM account_categories k WHERE k.account_id = a.id AND k.inactive_since IS NOT NULL
    ) AS inactive_categories
FROM accounts a WHERE a.id = ANY (%(account_ids)s)
