-- Makes messages pending again that claims skipped because an answer waited for review (code -2): in campaigns that the
-- caller has locked, and only to people who have not opted out meanwhile. A claim skips only pending messages that are
-- not uncertain, so none of them has reached anybody. They come back as released messages, apart from the cursor.
UPDATE messages m
SET status = 'pending', not_before = clock_timestamp(), error_code = NULL, error_title = NULL
WHERE m.campaign_id = ANY (%(campaign_ids)s::bigint[]) AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2 AND m.doubted IS NULL
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
RETURNING m.id, m.campaign_id
