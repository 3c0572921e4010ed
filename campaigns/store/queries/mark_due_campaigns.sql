-- The tick marks as enqueued the eligible campaigns that nobody runs and that have no task. All campaigns without a
-- mark are due. If a mark is older than the expiry, the broker may have lost the task, or the task still waits because
-- workers are down or busy. Of these campaigns (number of marked campaigns minus length of the queue) are due, the
-- oldest marks first. So the queue stays short while workers are down, and lost tasks are enqueued again. A surplus
-- task finds nothing to do (`take_lease`).
WITH waiting AS (
    SELECT count(*) AS count
    FROM campaigns c
    WHERE is_eligible(c, clock_timestamp() + make_interval(secs => %(tick_seconds)s)) AND c.enqueued_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
), fresh AS (
    SELECT c.id
    FROM campaigns c
    WHERE is_eligible(c, clock_timestamp() + make_interval(secs => %(tick_seconds)s)) AND c.enqueued_at IS NULL
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
    ORDER BY c.id
    FOR UPDATE OF c SKIP LOCKED
), lost AS (
    SELECT c.id
    FROM campaigns c
    WHERE is_eligible(c, clock_timestamp() + make_interval(secs => %(tick_seconds)s))
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(expiry_seconds)s)
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
    ORDER BY c.enqueued_at, c.id
    LIMIT (SELECT greatest(count - %(waiting_count)s, 0) FROM waiting)
    FOR UPDATE OF c SKIP LOCKED
), marked AS (
    UPDATE campaigns c SET enqueued_at = clock_timestamp()
    WHERE c.id IN (SELECT id FROM fresh UNION ALL SELECT id FROM lost)
    RETURNING c.id, c.created_at
)
SELECT id FROM marked ORDER BY created_at, id
