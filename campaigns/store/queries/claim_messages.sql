-- Takes messages to send, for the holder of the lease only: first those released and due again, then the next ones
-- after the cursor. `accounts` has one entry per token that was granted; a message does not go to an account that has
-- refused it while there is an `active` one that has not. Suppressed people are skipped here, at the last moment.
--
-- Plan: one index scan each on messages_released and messages_in_order, starting at the cursor (never at the dead
-- entries before it), then the primary key once per row. The arrays before the UPDATE are on purpose: a generic plan
-- does not know LIMIT, takes it for a tenth of the table, and would join the picked rows to a scan of all messages.
WITH lease AS MATERIALIZED (
    SELECT l.campaign_id
    FROM leases l
    JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
    FOR UPDATE OF l
), due AS MATERIALIZED (
    SELECT m.id, m.phone, m.refused_by
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.not_before <= clock_timestamp()
        AND EXISTS (SELECT FROM lease)
        AND (m.refused_by IS NULL OR m.refused_by @> %(active)s::bigint[]
            OR EXISTS (SELECT FROM unnest(%(accounts)s::bigint[]) AS a (id) WHERE a.id <> ALL (m.refused_by)))
    ORDER BY m.not_before
    LIMIT cardinality(%(accounts)s::bigint[])
    FOR UPDATE OF m SKIP LOCKED
), fresh AS MATERIALIZED (
    SELECT m.id, m.phone, NULL::bigint[] AS refused_by
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.id > %(cursor)s
        AND m.status = 'pending'
        AND m.not_before IS NULL
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.id
    LIMIT cardinality(%(accounts)s::bigint[]) - (SELECT count(*) FROM due)
    FOR UPDATE OF m SKIP LOCKED
), picked AS (
    SELECT p.*, row_number() OVER () AS n
    FROM (SELECT * FROM due UNION ALL SELECT * FROM fresh) p
), assigned AS MATERIALIZED (
    SELECT
        p.id, s.phone IS NOT NULL AS is_suppressed,
        CASE WHEN p.refused_by IS NULL THEN (%(accounts)s::bigint[])[p.n]
        ELSE (
            SELECT a.id FROM unnest(%(accounts)s::bigint[]) WITH ORDINALITY AS a (id, n)
            ORDER BY a.id = ANY (p.refused_by), abs(a.n - p.n) LIMIT 1
        ) END AS account_id
    FROM picked p
    LEFT JOIN suppressions s ON s.phone = p.phone
)
UPDATE messages m
SET status = (CASE WHEN a.is_suppressed THEN 'suppressed' ELSE 'sending' END)::message_status,
    account_id = CASE WHEN a.is_suppressed THEN m.account_id ELSE a.account_id END,
    send_no = m.send_no + (NOT a.is_suppressed)::int,
    attempts = m.attempts + (NOT a.is_suppressed)::int,
    not_before = NULL,
    claimed_at = CASE WHEN a.is_suppressed THEN m.claimed_at ELSE clock_timestamp() END
FROM unnest(
    (SELECT array_agg(id ORDER BY id) FROM assigned),
    (SELECT array_agg(account_id ORDER BY id) FROM assigned),
    (SELECT array_agg(is_suppressed ORDER BY id) FROM assigned)
) AS a (id, account_id, is_suppressed)
WHERE m.id = a.id
RETURNING m.id, m.account_id, m.send_no, m.attempts, m.phone, m.variables, m.refused_by, m.status = 'suppressed'
