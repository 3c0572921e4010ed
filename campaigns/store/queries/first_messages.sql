SELECT phone, variables FROM messages
WHERE campaign_id = %(campaign_id)s AND status = 'pending'
ORDER BY id
LIMIT %(limit)s
