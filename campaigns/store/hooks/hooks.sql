-- name: insert_hook
INSERT INTO hooks (url, types, secret) VALUES (%(url)s, %(types)s::text[], %(secret)s) RETURNING id

-- name: list_hooks
-- Plan: for each hook two counts in partial indexes, which have only the events that are not delivered.
SELECT h.id, h.url, h.types, h.created_at, h.succeeded_at, h.failing_since, h.disabled_at, h.disabled_reason,
    CASE WHEN h.old_secret_until > now() THEN h.old_secret_until END AS old_secret_until,
    (SELECT count(*) FROM hook_deliveries d WHERE d.hook_id = h.id AND d.due_at IS NOT NULL) AS waiting_count,
    (SELECT count(*) FROM hook_deliveries d WHERE d.hook_id = h.id AND d.due_at IS NULL AND d.delivered_at IS NULL)
        AS given_up_count
FROM hooks h
WHERE %(hook_id)s::bigint IS NULL OR h.id = %(hook_id)s
ORDER BY h.id

-- name: lock_hook
SELECT id FROM hooks WHERE id = %(hook_id)s FOR NO KEY UPDATE

-- name: set_hook_types
UPDATE hooks SET types = %(types)s::text[] WHERE id = %(hook_id)s AND types <> %(types)s::text[]

-- name: rotate_hook
-- The secret of now also signs for 24 hours. During a rotation, a second rotation drops the oldest secret.
UPDATE hooks SET old_secret = secret, old_secret_until = now() + interval '24 hours', secret = %(secret)s
WHERE id = %(hook_id)s

-- name: disable_hook
UPDATE hooks SET disabled_at = clock_timestamp(), disabled_reason = %(reason)s
WHERE id = %(hook_id)s AND disabled_at IS NULL

-- name: enable_hook
UPDATE hooks SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL
WHERE id = %(hook_id)s AND disabled_at IS NOT NULL

-- name: remove_hook
DELETE FROM hooks WHERE id = %(hook_id)s

-- name: remove_deliveries
DELETE FROM hook_deliveries WHERE hook_id = %(hook_id)s

-- name: lock_hook_secrets
SELECT id, secret, old_secret FROM hooks ORDER BY id FOR NO KEY UPDATE

-- name: write_hook_secrets
UPDATE hooks SET secret = %(secret)s, old_secret = %(old_secret)s WHERE id = %(hook_id)s

-- name: find_failing_hooks
-- The hooks that the program has disabled, and the enabled hooks that have failed for longer than `seconds`.
SELECT id, url, disabled_reason, coalesce(disabled_at, failing_since) AS since
FROM hooks
WHERE disabled_reason <> 'person'
    OR (disabled_at IS NULL AND failing_since < clock_timestamp() - make_interval(secs => %(seconds)s))
ORDER BY id
