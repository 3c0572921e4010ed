-- Webhook bodies that are due, oldest first, up to a number and a size. The attempt is committed before anything is
-- parsed, and the body is not due again before `next_try_at`: a body that kills its worker is known by its attempts.
-- So a body that was tried before is taken alone: no other's attempt is counted that nobody then makes.
-- Unmatched ones come back with growing gaps (a minute, two, four … six hours).
--
-- Plan: the index of what is due, then the primary key once per body. The array is on purpose: a generic plan does not
-- know LIMIT, takes it for a tenth of the table, and would join the due ones to a scan of all that wait.
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
WHERE e.id = ANY (ARRAY(SELECT id FROM fitting))
RETURNING e.id, e.status, e.attempts, e.body
