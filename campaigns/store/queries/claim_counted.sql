-- As claim_messages, for accounts of a portfolio without a free slot: only messages to people who are counted in it
-- already, which cost no slot. Found from the people, in their order after `after`: they are no more than the limit,
-- however long the list is. The caller holds the portfolio.
--
-- Plan: the primary key of portfolio_people from `after` on, and one_message_per_person once per person.
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
), assigned AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, t.account_id, s.is_active IS NOT NULL OR c.is_capped IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped
    FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM portfolio_people p
        JOIN messages m ON m.campaign_id = %(campaign_id)s AND m.recipient_key = p.recipient_key
        WHERE p.portfolio_id = %(portfolio_id)s AND p.recipient_key > %(after)s AND p.until > clock_timestamp()
            AND m.status = 'pending'
            AND (m.not_before IS NULL OR m.not_before <= clock_timestamp())
            AND (m.refused_by IS NULL OR t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY p.recipient_key
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    LEFT JOIN LATERAL (
        SELECT s.is_active FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_capped
        FROM lease l, recent r
        WHERE l.max_per_person IS NOT NULL AND l.max_per_person <= (
            SELECT count(*) FROM messages o
            WHERE o.campaign_id = ANY (r.ids) AND o.recipient_key = m.recipient_key
                AND o.status >= 'sending' AND o.status <> 'failed'
                AND o.claimed_at > clock_timestamp() - make_interval(days => l.within_days)
        )
    ) c ON true
    ORDER BY m.id, t.count DESC
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
    m.status <> 'sending', m.recipient_key
