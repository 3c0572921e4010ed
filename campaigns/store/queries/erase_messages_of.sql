-- What is left says that there was a message, and what became of it. A wamid holds the number that it went to, so
-- another word takes its place; webhooks still find the message by our own id.
UPDATE messages m
SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL, error_details = NULL,
    wamid = CASE WHEN m.wamid IS NOT NULL THEN 'erased.' || m.id END
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status NOT IN ('pending', 'sending')
