-- When the first of the released messages may be tried again (messages_released, first entry).
SELECT min(not_before) FROM messages WHERE campaign_id = %(campaign_id)s AND not_before IS NOT NULL
