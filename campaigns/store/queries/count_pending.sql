SELECT count(*), count(s.recipient_key)
FROM messages m
LEFT JOIN (SELECT DISTINCT recipient_key FROM suppressions WHERE is_active) s ON s.recipient_key = m.recipient_key
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
