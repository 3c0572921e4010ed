-- Active suppressions, the newest first; `source` NULL: of every source. A row under a user id is listed only while no
-- number of that person is known.
SELECT s.recipient_key, s.source, s.at, s.detail
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))
ORDER BY s.at DESC, s.recipient_key, s.source
