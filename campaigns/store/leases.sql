-- name: take_lease
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

-- name: doubt_left_messages
-- What a predecessor left on the wire may have been accepted: nobody knows, so it is uncertain and never sent again by
-- itself. Runs right after the lease was taken, when no older claim can commit any more. The tally saves the scan of a
-- whole campaign where nothing was left, which is nearly always.
UPDATE messages
SET status = 'uncertain', error_code = NULL, error_details = NULL, error_title = %(reason)s
WHERE campaign_id = %(campaign_id)s
    AND status = 'sending'
    AND EXISTS (
        SELECT FROM tallies t WHERE t.campaign_id = %(campaign_id)s AND t.status = 'sending' AND t.count > 0
    )

-- name: renew_leases
-- All leases of this process in one statement, each only while it is still ours. What does not come back is lost.
UPDATE leases l
SET until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
WHERE l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch AND l.until > clock_timestamp()
RETURNING l.campaign_id

-- name: watch_leases
-- Which of my campaigns may go on.
SELECT l.campaign_id
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
JOIN leases l ON l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch
JOIN campaigns c ON c.id = l.campaign_id
WHERE c.status = 'running'

-- name: find_waiting_for_slot
-- Whether an enqueued campaign has waited longer than `patience_seconds`: then slots are short, and slices end early.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(patience_seconds)s)
        -- A campaign that is enqueued during its own slice needs no further slot.
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
)

-- name: end_slice
-- Gives the lease back and says when the campaign goes on: now (`is_due_now`: the caller rings), at `due_at`, or, for
-- one that is not running any more, not. Guarded by the epoch: who lost the lease changes nothing. Who rang during the
-- slice changed something that it has not seen (`enqueued_at`, which a lease clears): so the wait that it decided on
-- does not count, and the next tick looks.
WITH campaign AS (
    UPDATE campaigns c
    SET cursor = %(cursor)s,
        waiting_reason = CASE WHEN c.status = 'running' AND c.enqueued_at IS NULL THEN %(waiting_reason)s::text END,
        due_at = CASE WHEN c.status = 'running' AND c.enqueued_at IS NULL THEN %(due_at)s::timestamptz END,
        enqueued_at = CASE WHEN c.status = 'running' AND %(is_due_now)s THEN clock_timestamp() END
    FROM leases l
    WHERE c.id = %(campaign_id)s AND l.campaign_id = c.id AND l.epoch = %(epoch)s
    RETURNING c.id, c.status
)
UPDATE leases l
SET until = clock_timestamp(), owner = ''
FROM campaign c
WHERE l.campaign_id = c.id AND l.epoch = %(epoch)s
RETURNING c.status

-- name: clear_wait
-- The campaign sends again: it does not wait any more.
UPDATE campaigns SET waiting_reason = NULL, due_at = NULL
WHERE id = %(campaign_id)s AND status = 'running' AND waiting_reason IS NOT NULL

-- name: complete_campaign
-- Completion is believed only from the rows themselves: one pass over the campaign, once in its life. The caller has
-- locked the campaign, so no release (which takes it FOR SHARE) can slip a message back in behind the look.
UPDATE campaigns c
SET status = 'completed', completed_at = clock_timestamp(), waiting_reason = NULL, due_at = NULL, enqueued_at = NULL
FROM leases l
WHERE c.id = %(campaign_id)s AND c.status = 'running'
    AND l.campaign_id = c.id AND l.epoch = %(epoch)s
    AND NOT EXISTS (SELECT FROM messages m WHERE m.campaign_id = c.id AND m.status IN ('pending', 'sending'))
RETURNING c.started_at, c.completed_at

-- name: expire_messages
-- What was not sent when its campaign expired never is; what is on the wire stays, its reply settles it. For the holder
-- of the lease.
UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
WHERE campaign_id = %(campaign_id)s AND status = 'pending'
    AND EXISTS (
        SELECT FROM campaigns c JOIN leases l ON l.campaign_id = c.id
        WHERE c.id = %(campaign_id)s AND c.status = 'running' AND c.expire_at <= clock_timestamp()
            AND l.epoch = %(epoch)s
    )

-- name: expire_paused_messages
-- The same in campaigns that a person has paused: they stay paused. The tallies tell where there is something to do.
WITH expired AS (
    UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
    FROM campaigns c
    WHERE c.id = m.campaign_id AND c.status = 'paused' AND c.expire_at <= clock_timestamp()
        AND m.status = 'pending'
        AND m.campaign_id IN (SELECT t.campaign_id FROM tallies t WHERE t.status = 'pending' AND t.count > 0)
    RETURNING m.campaign_id
)
SELECT campaign_id, count(*) FROM expired GROUP BY campaign_id ORDER BY campaign_id

-- name: take_abandoned_lease
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

-- name: lock_campaign
SELECT FROM campaigns WHERE id = %(campaign_id)s FOR UPDATE

-- name: try_tick_lock
-- One tick looks at a time. The lock ends with the transaction, so no process can keep it.
SELECT pg_try_advisory_xact_lock(7301986122)

-- name: note_tick
UPDATE installation SET ticked_at = clock_timestamp()

-- name: mark_due_campaigns
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

-- name: count_running
-- How many campaigns are in their slice right now.
SELECT count(*) FROM leases WHERE until > clock_timestamp()

-- name: unmark_campaigns
-- The doorbell could not be rung: the next tick may try at once.
UPDATE campaigns SET enqueued_at = NULL WHERE id = ANY (%(campaign_ids)s) AND enqueued_at IS NOT NULL

-- name: report_uncertain
-- Messages that have waited for their webhook longer than the grace, by campaign, where some do so since the last look:
-- so each is reported once. A campaign is read four times per grace at the most, and only while its tally holds
-- uncertain messages.
WITH looked AS (
    UPDATE campaigns c SET uncertain_told_at = clock_timestamp()
    FROM tallies t
    WHERE t.campaign_id = c.id AND t.status = 'uncertain' AND t.count > 0
        AND (c.uncertain_told_at IS NULL
            OR c.uncertain_told_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s / 4))
    RETURNING c.id, coalesce(old.uncertain_told_at, '-infinity') AS before
)
SELECT m.campaign_id, count(*), min(m.claimed_at)
FROM looked l
JOIN messages m ON m.campaign_id = l.id AND m.status = 'uncertain'
WHERE m.claimed_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
GROUP BY m.campaign_id, l.before
HAVING max(m.claimed_at) >= l.before - make_interval(secs => %(grace_seconds)s)
ORDER BY m.campaign_id

-- name: lease_epochs
SELECT campaign_id, epoch FROM leases WHERE campaign_id = ANY (%(campaign_ids)s)
