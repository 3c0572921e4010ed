-- Keeps the campaigns that go on and have a message to one of these people from completing or being cancelled until this
-- transaction has put messages back.
SELECT c.id FROM campaigns c
WHERE c.status IN ('pending', 'scheduled', 'running', 'paused')
    AND EXISTS (
        SELECT FROM messages m WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    )
ORDER BY c.id
FOR NO KEY UPDATE OF c
