-- What could not be applied now: unmatched evidence waits for its message, set-aside pieces for a person.
INSERT INTO webhook_events (status, reason, body, next_try_at, expires_at)
SELECT p.status, p.reason, p.body, clock_timestamp() + make_interval(secs => %(retry_seconds)s),
    clock_timestamp() + make_interval(secs => %(keep_seconds)s)
FROM unnest(%(statuses)s::text[], %(reasons)s::text[], %(bodies)s::bytea[]) AS p (status, reason, body)
