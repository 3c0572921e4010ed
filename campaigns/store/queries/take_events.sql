-- Webhook bodies that are due, oldest first, up to a number and a size. The attempt is committed before anything is
-- parsed, and the body is not due again before `next_try_at`: a body that kills its worker is known by its attempts.
-- So a body that was tried before is taken alone: no other's attempt is counted that nobody then makes.
-- Unmatched ones come back with growing gaps (a minute, two, four … six hours).
WITH due AS (
    SELECT id, octet_length(body) AS size, status = 'stored' AND attempts > 0 AS is_suspect
    FROM webhook_events
    WHERE status <> 'set_aside' AND next_try_at <= clock_timestamp()
    ORDER BY next_try_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), fitting AS (
    (SELECT id FROM due WHERE is_suspect ORDER BY id LIMIT 1)
    UNION ALL
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM due) sized
    WHERE before < %(max_bytes)s AND NOT EXISTS (SELECT FROM due WHERE is_suspect)
)
UPDATE webhook_events e
SET attempts = e.attempts + 1,
    next_try_at = clock_timestamp() + make_interval(
        secs => least(21600, %(retry_seconds)s * 2 ^ least(e.attempts, 20)))
FROM fitting f
WHERE e.id = f.id
RETURNING e.id, e.status, e.attempts, e.body
