-- A person's word before a message has left: one index lookup per campaign.
UPDATE messages m SET status = unless_doubted(m.doubted, 'suppressed'), not_before = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status = 'pending'
