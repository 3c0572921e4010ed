-- The tick: all eligible campaigns that nobody runs and that were not rung a moment ago, marked as rung. The mark and
-- the expiry of the task are the same time, so a campaign has one living task at most, and a lost task costs that time.
WITH due AS (
    SELECT c.id
    FROM campaigns c
    WHERE is_eligible(c, clock_timestamp() + make_interval(secs => %(tick_seconds)s))
        AND (c.enqueued_at IS NULL OR c.enqueued_at <= clock_timestamp() - make_interval(secs => %(expiry_seconds)s))
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
    ORDER BY c.id
    FOR UPDATE OF c SKIP LOCKED
), marked AS (
    UPDATE campaigns c SET enqueued_at = clock_timestamp() FROM due WHERE c.id = due.id
    RETURNING c.id, c.created_at
)
SELECT id FROM marked ORDER BY created_at, id
