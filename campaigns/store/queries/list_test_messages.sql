SELECT phone, status::text AS status, error_code, error_title
FROM messages
WHERE campaign_id = %(test_id)s
ORDER BY id
