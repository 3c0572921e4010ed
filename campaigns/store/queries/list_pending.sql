-- The pending messages of a campaign, in batches by id: an index scan of messages_in_order.
SELECT m.id, m.recipient_key FROM messages m
WHERE (m.campaign_id, m.id) > (%(campaign_id)s, %(last_id)s) AND m.campaign_id = %(campaign_id)s AND m.status = 'pending'
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s
