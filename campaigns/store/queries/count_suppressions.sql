-- How many rows list_suppressions has.
SELECT count(*)
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))
