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
