-- Accounts whose last health check was asked for long ago, marked as asked: once per time, whoever uses the account.
UPDATE accounts SET health_asked_at = clock_timestamp()
WHERE id = ANY (%(account_ids)s)
    AND (health_asked_at IS NULL OR health_asked_at <= clock_timestamp() - make_interval(secs => %(every_seconds)s))
RETURNING id
