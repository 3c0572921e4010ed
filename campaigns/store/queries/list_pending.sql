-- The pending messages of a campaign, in batches by id. Plan: messages_in_order from the last one on; the array and the
-- order are on purpose, see claim_messages.
SELECT m.id, m.recipient_key FROM messages m
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND m.id > %(last_id)s AND m.status = 'pending'
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s
