-- The messages that evidence speaks of, by our id or by wamid, with what is needed to judge it. Two plans, each an
-- index scan: the primary key, and the hash index on the wamid.
SELECT m.id, m.wamid, m.send_no, m.attempts, m.status::text, m.campaign_id, m.account_id, m.refused_by,
    m.recipient_key, a.phone_number_id, a.waba_id, m.claimed_at >= a.activated_at AS is_since_activation,
    m.claimed_at <= c.recovered_at AS is_recovered
FROM (
    SELECT id FROM messages WHERE id = ANY (%(ids)s::bigint[])
    UNION
    SELECT id FROM messages WHERE wamid = ANY (%(wamids)s::text[])
) found
JOIN messages m ON m.id = found.id
JOIN campaigns c ON c.id = m.campaign_id
LEFT JOIN accounts a ON a.id = m.account_id
