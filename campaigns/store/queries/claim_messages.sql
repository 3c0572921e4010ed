-- Takes messages to send, for the holder of the lease only: first those that an account has refused and another may
-- take, then those released and due again, then the next ones after the cursor. `accounts` and `counts` are the tokens
-- that were granted: no account gets more. A message does not go to an account that has refused it while there is an
-- `active` one that has not. Suppressed people are skipped here, at the last moment. `open_zones`: whose window is open
-- (0: the campaign's own zone), NULL where the window is not that of each person. Nothing is claimed of a campaign that
-- has expired.
--
-- Who had as many messages of other campaigns as this one allows is skipped too: what may have been sent counts. The
-- caller lets no two capped claims run at once.
--
-- Plan: one index scan each on messages_released (twice) and messages_in_order, starting at the cursor (never at the
-- dead entries before it), then the primary key once per row. The campaign stands in an array of one: with an equality
-- the primary key is in that order too, and where the campaign ends it runs on over all campaigns after it; and with the
-- row (campaign, cursor) beside an equality the scan starts at the campaign's first message. What a person had is looked
-- up by one_message_per_person, in each campaign of those days. The arrays before the UPDATE are on purpose: a generic
-- plan does not know LIMIT, takes it for a tenth of the table, and would join the picked rows to a scan of all messages.
WITH lease AS MATERIALIZED (
    SELECT l.campaign_id, c.max_per_person, c.within_days
    FROM leases l
    JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
        AND (c.expire_at IS NULL OR c.expire_at > clock_timestamp())
    FOR UPDATE OF l
), recent AS MATERIALIZED (
    -- Campaigns that may have written to somebody in the days that count.
    SELECT array_agg(c.id) AS ids
    FROM campaigns c
    WHERE (SELECT max_per_person FROM lease) IS NOT NULL
        AND c.id <> %(campaign_id)s AND c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity')
            > clock_timestamp() - make_interval(days => (SELECT within_days FROM lease))
), tokens AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
), refused AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, m.recipient_key, t.account_id
    FROM tokens t
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM messages m
        WHERE m.campaign_id = %(campaign_id)s
            AND m.not_before <= clock_timestamp()
            AND m.refused_by IS NOT NULL
            AND (t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY m.campaign_id, m.not_before
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    ORDER BY m.id, t.count DESC
), free AS MATERIALIZED (
    SELECT t.account_id, row_number() OVER (ORDER BY n) AS n
    FROM tokens t
    CROSS JOIN LATERAL generate_series(
        1, t.count - (SELECT count(*) FROM refused r WHERE r.account_id = t.account_id)) AS n
), due AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.not_before <= clock_timestamp()
        AND m.refused_by IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.not_before
    LIMIT (SELECT count(*) FROM free)
    FOR UPDATE OF m SKIP LOCKED
), fresh AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
        AND m.id > %(cursor)s
        AND m.status = 'pending'
        AND m.not_before IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.id
    LIMIT (SELECT count(*) FROM free) - (SELECT count(*) FROM due)
    FOR UPDATE OF m SKIP LOCKED
), picked AS (
    SELECT p.*, row_number() OVER () AS n
    FROM (SELECT * FROM due UNION ALL SELECT * FROM fresh) p
), assigned AS MATERIALIZED (
    SELECT a.id, a.account_id, s.is_active IS NOT NULL OR c.is_capped IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped
    FROM (
        SELECT id, recipient_key, account_id FROM refused
        UNION ALL
        SELECT p.id, p.recipient_key, f.account_id FROM picked p JOIN free f ON f.n = p.n
    ) a
    -- A person may have several active sources; and without the LIMIT a generic plan would hash the whole table.
    LEFT JOIN LATERAL (
        SELECT s.is_active FROM suppressions s WHERE s.recipient_key = a.recipient_key AND s.is_active LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_capped
        FROM lease l, recent r
        WHERE l.max_per_person IS NOT NULL AND l.max_per_person <= (
            SELECT count(*) FROM messages o
            WHERE o.campaign_id = ANY (r.ids) AND o.recipient_key = a.recipient_key
                AND o.status >= 'sending' AND o.status <> 'failed'
                AND o.claimed_at > clock_timestamp() - make_interval(days => l.within_days)
        )
    ) c ON true
)
UPDATE messages m
SET status = (CASE WHEN a.is_suppressed THEN unless_doubted(m.doubted, 'suppressed') ELSE 'sending' END)::message_status,
    account_id = CASE WHEN a.is_suppressed THEN m.account_id ELSE a.account_id END,
    send_no = m.send_no + (NOT a.is_suppressed)::int,
    attempts = m.attempts + (NOT a.is_suppressed)::int,
    not_before = NULL,
    error_title = CASE WHEN a.is_capped AND m.doubted IS NULL THEN 'the person had as many messages as the campaign allows'
        ELSE m.error_title END,
    error_code = CASE WHEN a.is_capped THEN NULL ELSE m.error_code END,  -- of an earlier try
    error_details = CASE WHEN a.is_capped THEN NULL ELSE m.error_details END,
    claimed_at = CASE WHEN a.is_suppressed THEN m.claimed_at ELSE clock_timestamp() END
FROM unnest(
    (SELECT array_agg(id ORDER BY id) FROM assigned),
    (SELECT array_agg(account_id ORDER BY id) FROM assigned),
    (SELECT array_agg(is_suppressed ORDER BY id) FROM assigned),
    (SELECT array_agg(is_capped ORDER BY id) FROM assigned)
) AS a (id, account_id, is_suppressed, is_capped)
WHERE m.id = a.id
RETURNING m.id, m.account_id, m.send_no, m.attempts, m.phone, m.variables, m.refused_by, m.pair_refusals,
    m.status <> 'sending'
