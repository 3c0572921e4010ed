UPDATE campaigns c SET erased_at = clock_timestamp()
WHERE c.id = %(campaign_id)s AND NOT EXISTS (
    SELECT FROM messages m WHERE m.campaign_id = c.id AND m.phone IS NOT NULL
)
