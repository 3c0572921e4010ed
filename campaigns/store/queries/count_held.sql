-- How many messages to these people were skipped because an answer waited for review, in campaigns that have ended since.
SELECT count(*)
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
WHERE c.status IN ('completed', 'cancelled') AND coalesce(c.completed_at, c.cancelled_at) >= %(since)s
    AND m.status = 'suppressed' AND m.error_code = -2
