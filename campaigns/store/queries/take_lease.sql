-- The right to run a campaign: only if it is eligible at this very moment and nobody holds it. A late or doubled task
-- finds no row here. `epoch` is the lease's epoch when the task was published (NULL: unknown). If a slice has begun
-- since, it was the one that this task asked for: of two tasks for one slice the second finds no row. All statements
-- lock the campaign first and the lease second.
WITH campaign AS (
    UPDATE campaigns c
    SET status = 'running', started_at = coalesce(c.started_at, clock_timestamp()), enqueued_at = NULL,
        -- Too late to begin: all of it expires, by the same way as any that has.
        expire_at = CASE
            WHEN c.started_at IS NULL
                AND c.scheduled_at + make_interval(secs => c.start_within_seconds) < clock_timestamp()
            THEN least(c.expire_at, clock_timestamp())
            ELSE c.expire_at
        END
    FROM leases l
    WHERE c.id = %(campaign_id)s
        AND is_eligible(c, clock_timestamp() + make_interval(secs => %(horizon_seconds)s))
        AND l.campaign_id = c.id
        AND l.until <= clock_timestamp()
        AND l.epoch = coalesce(%(epoch)s::bigint, l.epoch)
    RETURNING new.*, old.status <> 'running' AS is_first_slice
)
UPDATE leases l
SET epoch = l.epoch + 1,
    until = clock_timestamp() + make_interval(secs => %(lease_seconds)s),
    owner = %(owner)s
FROM campaign c
JOIN templates t ON t.id = c.template_id
WHERE l.campaign_id = c.id AND l.until <= clock_timestamp()
RETURNING
    c.id, c.name, l.epoch, c.is_first_slice, c.template_id, t.name AS template_name, t.language, t.components,
    c.parameters, c.columns,
    t.status AS template_status, greatest(t.blocked_until, clock_timestamp()) AS template_blocked_until,
    c.interval_seconds, coalesce(c.pause_after, 0) AS pause_after, coalesce(c.pause_seconds, 0) AS pause_seconds,
    c.window_from, c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays, c.expire_at,
    c.max_per_person IS NOT NULL AS is_capped,
    greatest(old.until, c.started_at) AS left_at,
    c.waiting_reason, c.due_at, c.cursor, c.started_at, l.next_message_at, l.burst_count, clock_timestamp() AS server_now
