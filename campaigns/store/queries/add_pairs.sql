-- Adds pairs of a user id and a number, or updates the newest time of each. The caller holds the lock of `lock_people`.
INSERT INTO user_ids AS u (user_id, recipient_key, at)
SELECT p.user_id, p.recipient_key, p.at
FROM unnest(%(user_ids)s::text[], %(recipient_keys)s::text[], %(at)s::timestamptz[]) AS p (user_id, recipient_key, at)
ORDER BY p.user_id, p.recipient_key
ON CONFLICT (user_id, recipient_key) DO UPDATE SET at = excluded.at WHERE excluded.at > u.at
