-- The end of every claim: who is `chosen` (id, recipient_key, account_id) is claimed, or skipped at the last moment.
-- Marketing skips a person whose answer waits for review. The lock on the answer makes this claim and a decision wait
-- for each other: the claim sees a dismissal that was committed after it began, and the decision sees the skipped
-- messages.
), assigned AS MATERIALIZED (
    SELECT a.id, a.account_id,
        s.is_active IS NOT NULL OR r.is_held IS NOT NULL OR c.is_capped IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped,
        r.is_held IS NOT NULL AND s.is_active IS NULL AS is_held
    FROM chosen a
    -- A person may have several active sources; and without the LIMIT a generic plan would hash the whole table.
    LEFT JOIN LATERAL (
        SELECT s.is_active FROM suppressions s WHERE s.recipient_key = a.recipient_key AND s.is_active LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_held
        FROM optout_reviews r
        WHERE r.id = (
                SELECT o.id FROM lease l, optout_reviews o
                WHERE a.account_id <> ALL (l.other_ids) AND o.recipient_key = a.recipient_key AND o.decided_at IS NULL LIMIT 1
            )
            AND r.decision IS DISTINCT FROM 'dismissed'
        FOR SHARE OF r
    ) r ON true
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
    error_title = CASE WHEN m.doubted IS NOT NULL THEN m.error_title
        WHEN a.is_held THEN 'an answer of this person may be an opt-out; it waits for review'
        WHEN a.is_capped THEN 'the person had as many messages as the campaign allows'
        ELSE m.error_title END,
    -- Of an earlier try; -2 is a code of our own, by which a dismissed review finds what was skipped for it.
    error_code = CASE WHEN a.is_held AND m.doubted IS NULL THEN -2 WHEN a.is_held OR a.is_capped THEN NULL ELSE m.error_code END,
    error_details = CASE WHEN a.is_held OR a.is_capped THEN NULL ELSE m.error_details END,
    claimed_at = CASE WHEN a.is_suppressed THEN m.claimed_at ELSE clock_timestamp() END
FROM unnest(
    (SELECT array_agg(id ORDER BY id) FROM assigned),
    (SELECT array_agg(account_id ORDER BY id) FROM assigned),
    (SELECT array_agg(is_suppressed ORDER BY id) FROM assigned),
    (SELECT array_agg(is_capped ORDER BY id) FROM assigned),
    (SELECT array_agg(is_held ORDER BY id) FROM assigned)
) AS a (id, account_id, is_suppressed, is_capped, is_held)
WHERE m.id = a.id
RETURNING m.id, m.account_id, m.send_no, m.attempts, m.phone, m.variables, m.refused_by, m.pair_refusals,
    m.status <> 'sending', m.recipient_key
