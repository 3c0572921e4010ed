-- name: add_receipt_positions
-- Lets the messages of campaigns be counted that send now, or ended in the last day. Plan: `campaigns_by_end`.
INSERT INTO receipt_positions (campaign_id, hours)
SELECT c.id, h.hours
FROM campaigns c CROSS JOIN unnest(%(hours)s::smallint[]) h (hours)
WHERE c.started_at IS NOT NULL
    AND coalesce(c.completed_at, c.cancelled_at, 'infinity'::timestamptz) > now() - interval '1 day'
ORDER BY c.id, h.hours
ON CONFLICT DO NOTHING

-- name: take_receipt_position
-- Locks the position that is due for longest. Another transaction takes another position. Plan: the first entries of
-- `receipt_positions_due`.
SELECT campaign_id, hours, last_id
FROM receipt_positions
WHERE due_at <= now()
ORDER BY due_at
LIMIT 1
FOR UPDATE SKIP LOCKED

-- name: count_receipts
-- Counts the next messages of a campaign by account and hour, and moves the position behind them. The count stops before
-- the first message that was not tried yet, or that was accepted less than `hours` ago. A message that Meta refused or
-- that was never sent is passed over. The caller has locked the position, so nobody counts these messages twice.
--
-- Plan: messages_in_order from `last_id` on. The array and the order are deliberate, see `claim_messages`.
WITH taken AS MATERIALIZED (
    SELECT id, account_id, sent_at, status,
        coalesce(sent_at > now() - make_interval(hours => %(hours)s),
            status = 'sending' OR (status = 'pending' AND send_no = 0)) AS is_early
    FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(last_id)s
    ORDER BY campaign_id, id
    LIMIT %(limit)s
), ripe AS (
    SELECT * FROM taken
    WHERE id < coalesce((SELECT min(id) FROM taken WHERE is_early), 9223372036854775807)
), counted AS (
    INSERT INTO account_receipts AS r (account_id, at, hours, accepted, delivered, read)
    SELECT account_id, date_trunc('hour', sent_at), %(hours)s, count(*),
        count(*) FILTER (WHERE status IN ('delivered', 'read')), count(*) FILTER (WHERE status = 'read')
    FROM ripe
    WHERE account_id IS NOT NULL AND sent_at IS NOT NULL
    GROUP BY 1, 2
    ORDER BY 1, 2
    ON CONFLICT (account_id, at, hours) DO UPDATE SET accepted = r.accepted + excluded.accepted,
        delivered = r.delivered + excluded.delivered, read = r.read + excluded.read
)
UPDATE receipt_positions SET
    last_id = coalesce((SELECT max(id) FROM ripe), last_id),
    due_at = CASE
        WHEN (SELECT count(*) FROM ripe) = %(limit)s THEN now()
        WHEN EXISTS (SELECT FROM taken) OR EXISTS (
            SELECT FROM campaigns c WHERE c.id = %(campaign_id)s AND c.status NOT IN ('completed', 'cancelled'))
        THEN now() + interval '5 minutes'
    END
WHERE campaign_id = %(campaign_id)s AND hours = %(hours)s

-- name: delete_old_receipts
DELETE FROM account_receipts WHERE at < now() - interval '731 days'

-- name: list_account_receipts
-- Returns the last `count` intervals of `seconds`, as `list_account_samples` does. Each hour has the counts of the longest
-- time that has counted most of its messages.
WITH present AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), now(), '2000-01-01T00:00Z') AS at
), wanted AS (
    SELECT generate_series(at - make_interval(secs => %(seconds)s) * (%(count)s::integer - 1), at,
        make_interval(secs => %(seconds)s)) AS at
    FROM present
), latest AS (
    SELECT DISTINCT ON (at) at, accepted, delivered, read
    FROM account_receipts
    WHERE account_id = %(account_id)s AND at >= (SELECT min(at) FROM wanted)
    ORDER BY at, accepted DESC, hours DESC
), found AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), at, '2000-01-01T00:00Z') AS at,
        sum(accepted)::bigint AS accepted, sum(delivered)::bigint AS delivered, sum(read)::bigint AS read
    FROM latest
    GROUP BY 1
)
SELECT at, coalesce(accepted, 0) AS accepted, coalesce(delivered, 0) AS delivered, coalesce(read, 0) AS read
FROM wanted LEFT JOIN found USING (at)
ORDER BY at
