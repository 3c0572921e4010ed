-- The end of every claim: who is `chosen` (id, recipient_key, account_id) is claimed, or skipped at the last moment.
), assigned AS MATERIALIZED (
    SELECT a.id, a.account_id, s.is_active IS NOT NULL OR c.is_capped IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped
    FROM chosen a
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
    m.status <> 'sending', m.recipient_key
