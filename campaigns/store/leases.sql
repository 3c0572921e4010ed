-- name: take_lease
-- Takes the lease of a campaign, if the campaign is eligible now or within `horizon_seconds`, and the lease is free.
-- `epoch` is the epoch of the lease when the task was published (NULL: unknown). If a slice has started since the task
-- was published, the work of the task is done already, and the statement returns no row. So a late task, or a second
-- task for the same slice, does nothing. All statements lock the campaign before the lease.
WITH campaign AS (
    UPDATE campaigns c
    SET status = 'running', started_at = coalesce(c.started_at, clock_timestamp()), enqueued_at = NULL,
        untaken_since = NULL,
        -- If the campaign starts too late (`start_within_seconds`), `expire_at` becomes now, so that the campaign
        -- expires.
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
    c.max_per_person IS NOT NULL AS is_capped, c.is_standing,
    greatest(old.until, c.started_at) AS left_at,
    c.waiting_reason, c.due_at, c.cursor, c.started_at, l.next_message_at, l.burst_count, l.claim_count,
    clock_timestamp() AS server_now

-- name: mark_left_uncertain
-- Meta may have accepted the messages that the previous slice left in flight. These messages become uncertain and are
-- not sent again automatically. The statement runs right after the lease was taken, so no claim of an older lease can
-- commit after this statement. Usually the counter of `sending` is 0, and the messages are not read.
UPDATE messages
SET status = 'uncertain', error_code = NULL, error_details = NULL, error_title = %(reason)s
WHERE campaign_id = %(campaign_id)s
    AND status = 'sending'
    AND EXISTS (
        SELECT FROM tallies t WHERE t.campaign_id = %(campaign_id)s AND t.status = 'sending' AND t.count > 0
    )

-- name: renew_leases
-- Renews the leases of this process. A lease that is not returned is lost.
UPDATE leases l
SET until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
WHERE l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch AND l.until > clock_timestamp()
RETURNING l.campaign_id

-- name: find_running_leases
-- Returns the campaigns whose slices may continue: the lease still has the epoch of the slice, and the campaign is
-- running.
SELECT l.campaign_id
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
JOIN leases l ON l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch
JOIN campaigns c ON c.id = l.campaign_id
WHERE c.status = 'running'

-- name: has_campaign_waiting_for_slot
-- Whether an enqueued campaign has waited for a worker slot longer than `patience_seconds`. If there is such a
-- campaign, running slices end early.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(patience_seconds)s)
        -- A campaign whose slice is running does not wait for a slot, even if the campaign was enqueued again.
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
)

-- name: end_slice
-- Gives the lease back and sets when the campaign is due again: now (`is_due_now`; the caller enqueues the campaign) or
-- at `due_at`. A campaign that is not running gets no `due_at`. If the lease was lost (it has another epoch), nothing
-- changes. `take_lease` clears `enqueued_at`, so if `enqueued_at` is set now, the campaign was enqueued during the
-- slice, after a change that the slice may not have seen. Then no wait is written, and the next tick enqueues the
-- campaign. A standing campaign is then due now, because a message was posted during the slice.
WITH campaign AS (
    UPDATE campaigns c
    SET cursor = %(cursor)s,
        waiting_reason = CASE WHEN c.status = 'running' AND c.enqueued_at IS NULL THEN %(waiting_reason)s::text END,
        due_at = CASE WHEN c.status = 'running' AND c.enqueued_at IS NULL THEN %(due_at)s::timestamptz END,
        enqueued_at = CASE WHEN c.status = 'running' AND (%(is_due_now)s OR (c.is_standing AND c.enqueued_at IS NOT NULL))
            THEN clock_timestamp() END
    FROM leases l
    WHERE c.id = %(campaign_id)s AND l.campaign_id = c.id AND l.epoch = %(epoch)s
    RETURNING c.id, c.status, new.enqueued_at IS NOT NULL AS is_due_now
)
UPDATE leases l
SET until = clock_timestamp(), owner = ''
FROM campaign c
WHERE l.campaign_id = c.id AND l.epoch = %(epoch)s
RETURNING c.status, c.is_due_now

-- name: clear_wait
-- Deletes the wait of a campaign that sends again.
UPDATE campaigns SET waiting_reason = NULL, due_at = NULL
WHERE id = %(campaign_id)s AND status = 'running' AND waiting_reason IS NOT NULL

-- name: complete_campaign
-- Completes a campaign if no message is pending or in flight. The statement reads the messages instead of the counters.
-- This costs one pass over the messages of the campaign. The caller has locked the campaign. A transaction that makes
-- messages pending again locks the campaign too, so no message becomes pending after the check.
UPDATE campaigns c
SET status = 'completed', completed_at = clock_timestamp(), waiting_reason = NULL, due_at = NULL, enqueued_at = NULL
FROM leases l
WHERE c.id = %(campaign_id)s AND c.status = 'running'
    AND l.campaign_id = c.id AND l.epoch = %(epoch)s
    AND NOT EXISTS (SELECT FROM messages m WHERE m.campaign_id = c.id AND m.status IN ('pending', 'sending'))
RETURNING c.started_at, c.completed_at

-- name: expire_messages
-- Expires the pending messages of a campaign after its `expire_at`, for the holder of the lease. Messages in flight
-- keep their status until Meta's reply settles them.
UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
WHERE campaign_id = %(campaign_id)s AND status = 'pending'
    AND EXISTS (
        SELECT FROM campaigns c JOIN leases l ON l.campaign_id = c.id
        WHERE c.id = %(campaign_id)s AND c.status = 'running' AND c.expire_at <= clock_timestamp()
            AND l.epoch = %(epoch)s
    )

-- name: expire_paused_messages
-- Expires the pending messages of paused campaigns after their `expire_at`. The campaigns stay paused. The messages of
-- a campaign are read only if its counter of pending messages is not 0.
WITH expired AS (
    UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
    FROM campaigns c
    WHERE c.id = m.campaign_id AND c.status = 'paused' AND c.expire_at <= clock_timestamp()
        AND m.status = 'pending'
        AND m.campaign_id IN (SELECT t.campaign_id FROM tallies t WHERE t.status = 'pending' AND t.count > 0)
    RETURNING m.campaign_id
)
SELECT campaign_id, count(*) FROM expired GROUP BY campaign_id ORDER BY campaign_id

-- name: take_abandoned_leases
-- Takes the leases of campaigns whose lease is over and whose counter of `sending` messages is not 0. The process that
-- ran such a campaign has died. The status of the campaign does not matter. The campaign is locked before the lease. A
-- task in the queue has the previous epoch and will do nothing, so `enqueued_at` is cleared and the next tick enqueues
-- the campaign.
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
-- Only one tick runs at a time. The lock ends with the transaction, so no process can keep the lock.
SELECT pg_try_advisory_xact_lock(7301986122)

-- name: note_tick
UPDATE installation SET ticked_at = clock_timestamp()

-- name: mark_due_campaigns
-- Returns the campaigns for which the caller publishes tasks, and marks them as enqueued (`enqueued_at` is the mark).
-- Only eligible campaigns without a running slice are considered. Every such campaign without a mark is returned. If a
-- mark is older than `expiry_seconds`, the broker may have lost the task, or the task still waits because workers are
-- down or busy. The number of lost tasks is the number of marked campaigns minus the number of tasks in the queue
-- (`waiting_count`). The statement returns as many campaigns with such an old mark as there are lost tasks, the oldest
-- marks first. So lost tasks are replaced, and the queue stays short while workers are down. If a campaign gets two
-- tasks, the second task does nothing (`take_lease`).
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
    UPDATE campaigns c
    SET enqueued_at = clock_timestamp(), untaken_since = coalesce(c.untaken_since, c.enqueued_at, clock_timestamp())
    WHERE c.id IN (SELECT id FROM fresh UNION ALL SELECT id FROM lost)
    RETURNING c.id, c.created_at
)
SELECT id FROM marked ORDER BY created_at, id

-- name: count_running
-- The number of campaigns with a running slice.
SELECT count(*) FROM leases WHERE until > clock_timestamp()

-- name: unmark_campaigns
-- Deletes the marks of campaigns whose tasks the broker did not accept, so that the next tick enqueues them again.
UPDATE campaigns SET enqueued_at = NULL WHERE id = ANY (%(campaign_ids)s) AND enqueued_at IS NOT NULL

-- name: report_uncertain
-- Counts, by campaign, the uncertain messages that were claimed more than `grace_seconds` ago. A campaign is returned
-- only if one of these messages has reached this age since the last check (`uncertain_told_at`), so that a campaign is
-- not reported again for the same messages. The messages of a campaign are read at most four times per `grace_seconds`,
-- and only if its counter of uncertain messages is not 0. If the last check came more than `grace_seconds` after the end
-- of the campaign, the check has seen all its messages at this age, so they are not read again. A recovery after a restore
-- makes messages uncertain that count as claimed at the time of the recovery.
WITH looked AS (
    UPDATE campaigns c SET uncertain_told_at = clock_timestamp()
    FROM tallies t
    WHERE t.campaign_id = c.id AND t.status = 'uncertain' AND t.count > 0
        AND (c.uncertain_told_at IS NULL
            OR c.uncertain_told_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s / 4)
                AND c.uncertain_told_at < make_interval(secs => %(grace_seconds)s)
                    + greatest(coalesce(c.completed_at, c.cancelled_at, 'infinity'), c.recovered_at))
    RETURNING c.id, coalesce(old.uncertain_told_at, '-infinity') AS before
)
SELECT m.campaign_id, count(*), min(m.claimed_at)
FROM looked l
JOIN messages m ON m.campaign_id = l.id AND m.status = 'uncertain'
WHERE m.claimed_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
GROUP BY m.campaign_id, l.before
HAVING max(m.claimed_at) >= l.before - make_interval(secs => %(grace_seconds)s)
ORDER BY m.campaign_id

-- name: load_lease_epochs
SELECT campaign_id, epoch FROM leases WHERE campaign_id = ANY (%(campaign_ids)s)
