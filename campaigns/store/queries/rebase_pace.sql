-- A shorter interval or pause counts at once: the next message is due no later than one new gap from now. A longer one
-- counts from the next message on. In a pause (`burst_count` 0 with a time) the gap is the new pause.
UPDATE leases l
SET next_message_at = least(l.next_message_at, clock_timestamp() + make_interval(secs =>
    CASE WHEN l.burst_count = 0 THEN greatest(c.interval_seconds, coalesce(c.pause_seconds, 0))
    ELSE c.interval_seconds END))
FROM campaigns c
WHERE l.campaign_id = %(campaign_id)s AND c.id = l.campaign_id AND l.next_message_at IS NOT NULL
