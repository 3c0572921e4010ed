-- The lease of a campaign that nobody runs and that still has messages on the wire in its books: its runner died. Taken
-- by the same rule as any runner takes it, whatever the campaign's status is now; campaign first, lease second. A task
-- that waits for a worker has the previous epoch, so the mark is deleted: the next tick enqueues the campaign again.
WITH abandoned AS (
    SELECT c.id
    FROM campaigns c
    JOIN leases l ON l.campaign_id = c.id
    JOIN tallies t ON t.campaign_id = c.id
    WHERE t.status = 'sending' AND t.count > 0 AND l.until <= clock_timestamp()
    ORDER BY c.id
    FOR UPDATE OF c SKIP LOCKED
), unmarked AS (
    UPDATE campaigns c SET enqueued_at = NULL FROM abandoned a WHERE c.id = a.id AND c.enqueued_at IS NOT NULL
)
UPDATE leases l
SET epoch = l.epoch + 1, until = clock_timestamp(), owner = ''
FROM abandoned a
WHERE l.campaign_id = a.id AND l.until <= clock_timestamp()
RETURNING l.campaign_id
