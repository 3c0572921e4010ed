-- name: insert_user
INSERT INTO users (name, role, password_hash, language, time_zone)
VALUES (%(name)s, %(role)s, %(password_hash)s, %(language)s, %(time_zone)s) RETURNING id

-- name: list_users
SELECT u.id, u.name, u.role, u.password_hash IS NOT NULL AS has_password, u.disabled_at, u.language, u.time_zone,
    u.wants_updates, u.created_at, (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND is_open(s)) AS session_count,
    (SELECT max(s.seen_at) FROM sessions s WHERE s.user_id = u.id) AS seen_at
FROM users u WHERE (%(name)s::text IS NULL OR u.name = %(name)s) ORDER BY u.name

-- name: lock_admins
-- Locks the admins who can sign in, in the order of their ids. Two changes that would each leave one admin wait for
-- each other, and the second change finds only the admins that the first has left.
SELECT id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY id FOR UPDATE

-- name: lock_user
SELECT id FROM users WHERE name = %(name)s FOR UPDATE

-- name: update_user
-- A parameter that is NULL leaves its column as it is.
UPDATE users SET
    role = coalesce(%(role)s, role), password_hash = coalesce(%(password_hash)s, password_hash),
    language = coalesce(%(language)s, language), time_zone = coalesce(%(time_zone)s, time_zone)
WHERE id = %(user_id)s

-- name: choose_updates
UPDATE users SET wants_updates = %(wants_updates)s WHERE id = %(user_id)s AND wants_updates <> %(wants_updates)s

-- name: enable_user
UPDATE users SET disabled_at = NULL WHERE id = %(user_id)s AND disabled_at IS NOT NULL

-- name: disable_user
UPDATE users SET disabled_at = clock_timestamp() WHERE id = %(user_id)s AND disabled_at IS NULL

-- name: end_sessions_of_user
DELETE FROM sessions WHERE user_id = %(user_id)s
