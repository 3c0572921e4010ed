-- Uncertain messages of a campaign by reason, for a person who thinks of sending them again: how many would go, how many
-- stay because the person wants no messages, and how many because nobody knows any more who that was.
SELECT m.error_code, m.error_title AS title,
    count(*) FILTER (WHERE m.phone IS NOT NULL AND s.is_active IS NULL) AS count,
    count(*) FILTER (WHERE s.is_active) AS suppressed_count,
    count(*) FILTER (WHERE m.phone IS NULL) AS erased_count,
    min(m.claimed_at) AS oldest_at, max(m.claimed_at) AS newest_at
FROM messages m
LEFT JOIN LATERAL (
    SELECT s.is_active FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active LIMIT 1
) s ON true
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'uncertain'
GROUP BY m.error_code, m.error_title
ORDER BY count(*) DESC, m.error_code, m.error_title
