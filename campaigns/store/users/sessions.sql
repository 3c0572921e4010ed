-- name: find_credentials
SELECT id, name, password_hash, disabled_at IS NOT NULL FROM users WHERE name = %(name)s

-- name: open_session
-- Opens a session only if the user can still sign in, and has the password that was verified a moment ago. A change of
-- the user ends all sessions. It waits for this lock, or this statement waits for the change and reads the row again. So
-- no session of an old password stays.
WITH present AS (
    SELECT id FROM users
    WHERE id = %(user_id)s AND disabled_at IS NULL AND password_hash = %(password_hash)s
    FOR NO KEY UPDATE
)
INSERT INTO sessions (token_sha256, user_id, network)
SELECT %(token_sha256)s, id, %(network)s::inet FROM present
RETURNING user_id

-- name: find_session
SELECT u.id AS user_id, u.name, u.role, u.language, u.time_zone, u.wants_updates, s.created_at,
    s.seen_at < now() - interval '1 minute' AS is_unseen,
    s.confirmed_at > now() - interval '10 minutes' AS is_confirmed
FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.token_sha256 = %(token_sha256)s AND is_open(s) AND u.disabled_at IS NULL

-- name: list_sessions
-- `key` names a session on a page: a digest of the digest of its token, which `end_session_of` takes.
SELECT encode(sha256(s.token_sha256), 'hex') AS key, s.created_at, s.seen_at, host(s.network) AS network,
    s.token_sha256 IS NOT DISTINCT FROM %(token_sha256)s AS is_present
FROM sessions s WHERE s.user_id = %(user_id)s AND is_open(s) ORDER BY s.seen_at DESC, s.created_at DESC

-- name: confirm_session
-- Only if the user still has the password that was verified a moment ago.
UPDATE sessions s SET confirmed_at = clock_timestamp() FROM users u
WHERE s.token_sha256 = %(token_sha256)s AND u.id = s.user_id AND is_open(s) AND u.disabled_at IS NULL
    AND u.id = %(user_id)s AND u.password_hash = %(password_hash)s

-- name: see_session
UPDATE sessions SET seen_at = clock_timestamp() WHERE token_sha256 = %(token_sha256)s

-- name: end_session
DELETE FROM sessions WHERE token_sha256 = %(token_sha256)s RETURNING user_id

-- name: end_other_sessions
DELETE FROM sessions WHERE user_id = %(user_id)s AND token_sha256 IS DISTINCT FROM %(token_sha256)s

-- name: end_session_of
DELETE FROM sessions WHERE user_id = %(user_id)s AND encode(sha256(token_sha256), 'hex') = %(key)s

-- name: erase_logins
-- Deletes the sessions that have ended by themselves, and the attempts that no limit counts any more.
WITH ended AS (DELETE FROM sessions s WHERE NOT is_open(s))
DELETE FROM login_attempts WHERE at < now() - interval '1 hour'

-- name: lock_login
-- Logins with the same name wait for each other, and so do logins from the same network. So two logins at the same time
-- cannot both be the last one that a limit allows. Each login locks its name first, so logins do not deadlock.
SELECT pg_advisory_xact_lock(730198613, hashtext(encode(%(name_sha256)s, 'hex'))),
    pg_advisory_xact_lock(730198614, hashtext(%(network)s))

-- name: read_login_wait
-- The seconds until all limits allow the next login; 0: now. A limit of five in a minute allows the next login when the
-- fifth newest attempt is a minute old.
SELECT greatest(0,
    (SELECT extract(epoch FROM at - clock_timestamp()) + 60 FROM login_attempts
        WHERE name_sha256 = %(name_sha256)s ORDER BY at DESC OFFSET %(name_per_minute)s - 1 LIMIT 1),
    (SELECT extract(epoch FROM at - clock_timestamp()) + 3600 FROM login_attempts
        WHERE name_sha256 = %(name_sha256)s ORDER BY at DESC OFFSET %(name_per_hour)s - 1 LIMIT 1),
    (SELECT extract(epoch FROM at - clock_timestamp()) + 60 FROM login_attempts
        WHERE network = %(network)s::inet ORDER BY at DESC OFFSET %(network_per_minute)s - 1 LIMIT 1)
)::float8

-- name: add_login_attempt
INSERT INTO login_attempts (name_sha256, network) VALUES (%(name_sha256)s, %(network)s::inet) RETURNING id

-- name: delete_login_attempt
DELETE FROM login_attempts WHERE id = %(attempt_id)s
