-- The next messages of a campaign lose what says to whom they went: also the wamid, which holds the number. Both
-- arrays are on purpose: see claim_messages.
UPDATE messages m
SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL, error_details = NULL,
    wamid = CASE WHEN m.wamid IS NOT NULL THEN 'erased.' || m.id END
WHERE m.id = ANY (ARRAY (
    SELECT id FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(last_id)s
        AND phone IS NOT NULL AND status NOT IN ('pending', 'sending')
    ORDER BY campaign_id, id
    LIMIT %(limit)s
))
RETURNING m.id
