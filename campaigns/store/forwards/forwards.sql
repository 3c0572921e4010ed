-- name: insert_forward
INSERT INTO forwards (url, fields, phone_number_ids, secret)
VALUES (%(url)s, %(fields)s::text[], %(phone_number_ids)s::text[], %(secret)s)
RETURNING id

-- name: lock_forwards
-- Lets no other transaction add or enable a forward, so that the number of enabled forwards stays at its limit.
SELECT pg_advisory_xact_lock(7301986128)

-- name: count_enabled_forwards
SELECT count(*) FROM forwards WHERE disabled_at IS NULL

-- name: list_forwards
-- Plan: for each forward an index-only scan that counts its bodies, and the first entry of the primary key. Gigabytes of
-- bodies wait for a target that was down for days, so only the row of the oldest body is read.
SELECT f.id, f.url, f.fields, f.phone_number_ids, f.secret IS NOT NULL AS has_own_secret, f.created_at, f.disabled_at,
    f.failing_since, f.last_error, f.paused_until, f.delivered_count, f.delivered_at, f.given_up_count,
    (SELECT count(*) FROM forward_bodies b WHERE b.forward_id = f.id) AS waiting_count,
    (SELECT b.received_at FROM forward_bodies b WHERE b.forward_id = f.id ORDER BY b.inbox_id LIMIT 1) AS waits_since,
    coalesce(extract(epoch FROM clock_timestamp() - f.failing_since), 0)::float8 AS failing_seconds
FROM forwards f
WHERE (%(forward_id)s::bigint IS NULL OR f.id = %(forward_id)s)
ORDER BY f.id

-- name: read_forward_secret
SELECT secret FROM forwards WHERE id = %(forward_id)s

-- name: disable_forward
UPDATE forwards SET disabled_at = clock_timestamp() WHERE id = %(forward_id)s AND disabled_at IS NULL

-- name: enable_forward
-- The next try comes at once.
UPDATE forwards SET disabled_at = NULL, paused_until = NULL, silence_count = 0
WHERE id = %(forward_id)s AND disabled_at IS NOT NULL

-- name: delete_bodies_of_forward
DELETE FROM forward_bodies WHERE forward_id = %(forward_id)s AND inbox_id = ANY (ARRAY (
    SELECT inbox_id FROM forward_bodies WHERE forward_id = %(forward_id)s LIMIT %(limit)s
))

-- name: delete_forward
DELETE FROM forwards WHERE id = %(forward_id)s

-- name: lock_forward_secrets
SELECT id, secret FROM forwards WHERE secret IS NOT NULL ORDER BY id FOR UPDATE

-- name: write_forward_secret
UPDATE forwards SET secret = %(secret)s WHERE id = %(forward_id)s

-- name: has_forward_work
-- Whether a body waits to be routed, or a target can be tried now. Without forwards, this reads two empty tables.
--
-- Plan: the first row of forward_bodies_due per forward. The minimum is deliberate: for EXISTS, the planner may prefer to
-- join the forwards to all bodies.
SELECT EXISTS (SELECT FROM forward_inbox) OR EXISTS (
    SELECT FROM forwards f
    WHERE f.disabled_at IS NULL
        AND (f.leased_until IS NULL OR f.leased_until <= clock_timestamp())
        AND (f.paused_until IS NULL OR f.paused_until <= clock_timestamp())
        AND (SELECT min(b.next_try_at) FROM forward_bodies b WHERE b.forward_id = f.id) <= clock_timestamp()
)

-- name: take_inbox
-- Takes the oldest bodies: at most `limit` bodies, and no more after a total size of `max_bytes`. Two transactions never
-- route at the same time, because both need the oldest row. So a target never gets a newer body first.
DELETE FROM forward_inbox WHERE id = ANY (ARRAY (
    SELECT id FROM (
        SELECT id, sum(size) OVER (ORDER BY id) - size AS before
        FROM (
            SELECT id, octet_length(body) AS size FROM forward_inbox ORDER BY id LIMIT %(limit)s FOR UPDATE
        ) oldest
    ) sized
    WHERE before < %(max_bytes)s
))
RETURNING id, received_at, body

-- name: list_filters
SELECT id, fields, phone_number_ids FROM forwards WHERE disabled_at IS NULL ORDER BY id FOR KEY SHARE

-- name: insert_forward_bodies
INSERT INTO forward_bodies (forward_id, inbox_id, received_at, next_try_at, phone_number_ids, body)
SELECT b.forward_id, b.inbox_id, b.received_at, b.received_at, b.phone_number_ids::text[], b.body
FROM unnest(
    %(forward_ids)s::bigint[], %(inbox_ids)s::bigint[], %(times)s::timestamptz[], %(phone_number_ids)s::text[],
    %(bodies)s::bytea[]
) AS b (forward_id, inbox_id, received_at, phone_number_ids, body)

-- name: lease_forwards
-- Takes the lease of each target that can be tried now. Plan: as `has_forward_work`.
UPDATE forwards f
SET lease_no = f.lease_no + 1, leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE f.disabled_at IS NULL
    AND (f.leased_until IS NULL OR f.leased_until <= clock_timestamp())
    AND (f.paused_until IS NULL OR f.paused_until <= clock_timestamp())
    AND (SELECT min(b.next_try_at) FROM forward_bodies b WHERE b.forward_id = f.id) <= clock_timestamp()
RETURNING f.id, f.url, f.secret, f.lease_no

-- name: renew_forward
UPDATE forwards SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE id = %(forward_id)s AND lease_no = %(lease_no)s AND disabled_at IS NULL
    AND (paused_until IS NULL OR paused_until <= clock_timestamp())
RETURNING silence_count

-- name: release_forward
UPDATE forwards SET leased_until = NULL WHERE id = %(forward_id)s AND lease_no = %(lease_no)s

-- name: list_due_bodies
-- The next bodies: at most `limit` bodies, and no more after a total size of `max_bytes`.
--
-- Plan: the index forward_bodies_due has the rows in this order. `now()` is deliberate: a condition with
-- clock_timestamp(), whose value changes while the statement runs, uses no index.
SELECT inbox_id, attempts, phone_number_ids, body
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY next_try_at, inbox_id) - octet_length(body) AS before
    FROM (
        SELECT inbox_id, attempts, phone_number_ids, body, next_try_at
        FROM forward_bodies
        WHERE forward_id = %(forward_id)s AND next_try_at <= now()
        ORDER BY next_try_at, inbox_id LIMIT %(limit)s
    ) due
) sized
WHERE before < %(max_bytes)s
ORDER BY next_try_at, inbox_id

-- name: delete_forward_body
DELETE FROM forward_bodies WHERE forward_id = %(forward_id)s AND inbox_id = %(inbox_id)s

-- name: note_delivery
UPDATE forwards
SET delivered_count = delivered_count + 1, delivered_at = clock_timestamp(), failing_since = NULL, last_error = NULL,
    silence_count = 0
WHERE id = %(forward_id)s
RETURNING old.failing_since IS NOT NULL, old.silence_count

-- name: hasten_unanswered
-- Lets the bodies be tried at once that got no answer while the target was away.
UPDATE forward_bodies SET next_try_at = received_at
WHERE forward_id = %(forward_id)s AND is_unanswered AND next_try_at > clock_timestamp()

-- name: defer_forward_body
-- `wait_seconds` NULL: the body keeps its place, and waits only for the pause of its forward.
UPDATE forward_bodies
SET attempts = attempts + 1, is_unanswered = %(is_unanswered)s,
    next_try_at = coalesce(clock_timestamp() + make_interval(secs => %(wait_seconds)s::float8), next_try_at)
WHERE forward_id = %(forward_id)s AND inbox_id = %(inbox_id)s

-- name: note_forward_failure
UPDATE forwards SET failing_since = coalesce(failing_since, clock_timestamp()), last_error = %(error)s
WHERE id = %(forward_id)s
RETURNING old.failing_since IS NULL

-- name: pause_forward
-- Tries that run at the same time count as one.
UPDATE forwards
SET silence_count = silence_count + 1,
    paused_until = clock_timestamp() + make_interval(
        secs => CASE WHEN silence_count = 0 THEN %(first_seconds)s ELSE %(later_seconds)s END::float8)
WHERE id = %(forward_id)s AND (paused_until IS NULL OR paused_until <= clock_timestamp())

-- name: count_given_up
UPDATE forwards SET given_up_count = given_up_count + %(count)s WHERE id = %(forward_id)s

-- name: expire_forward_bodies
-- Deletes the next bodies that are older than `days`; returns the forward of each.
WITH old AS (
    SELECT forward_id, inbox_id FROM forward_bodies
    WHERE received_at < now() - make_interval(days => %(days)s)
    LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
DELETE FROM forward_bodies b USING old
WHERE b.forward_id = old.forward_id AND b.inbox_id = old.inbox_id
RETURNING b.forward_id

-- name: expire_forward_inbox
DELETE FROM forward_inbox WHERE received_at < now() - make_interval(days => %(days)s)

-- name: erase_forward_inbox_of
-- Deletes the copies of bodies that contain a number or a user id of the person, or the wamid of a message to the person.
DELETE FROM forward_inbox e
WHERE EXISTS (
    SELECT FROM (
        SELECT unnest(%(names)s::text[])
        UNION ALL
        SELECT m.wamid FROM campaigns c JOIN messages m ON m.campaign_id = c.id
        WHERE m.recipient_key = %(recipient_key)s AND m.wamid IS NOT NULL
    ) AS held (text)
    WHERE position(convert_to(held.text, 'UTF8') IN e.body) > 0
)

-- name: erase_forward_bodies_of
-- As `erase_forward_inbox_of`, for the bodies that wait for their targets. This statement comes second, so it finds the
-- bodies that were moved meanwhile.
DELETE FROM forward_bodies e
WHERE EXISTS (
    SELECT FROM (
        SELECT unnest(%(names)s::text[])
        UNION ALL
        SELECT m.wamid FROM campaigns c JOIN messages m ON m.campaign_id = c.id
        WHERE m.recipient_key = %(recipient_key)s AND m.wamid IS NOT NULL
    ) AS held (text)
    WHERE position(convert_to(held.text, 'UTF8') IN e.body) > 0
)
