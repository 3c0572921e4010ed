-- Locks the campaigns that have not ended and have a message to one of these people, so that none completes or is
-- cancelled before this transaction has made messages pending again.
SELECT c.id FROM campaigns c
WHERE c.status IN ('pending', 'scheduled', 'running', 'paused')
    AND EXISTS (
        SELECT FROM messages m WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    )
ORDER BY c.id
FOR NO KEY UPDATE OF c
