-- name: lock_idempotency_key
-- Two requests with the same key and token do not run at the same time. The second one does not wait: the first one
-- may take seconds. The lock ends with the transaction, also if the process is killed.
SELECT pg_try_advisory_xact_lock(hashtextextended(format('idempotency key %%s of token %%s', %(key)s::text, %(token_id)s::bigint), 0))

-- name: find_idempotency_key
SELECT digest, answer FROM idempotency_keys WHERE token_id = %(token_id)s AND key = %(key)s

-- name: insert_idempotency_key
INSERT INTO idempotency_keys (token_id, key, digest, answer) VALUES (%(token_id)s, %(key)s, %(digest)s, %(answer)s)

-- name: erase_idempotency_keys
DELETE FROM idempotency_keys WHERE created_at < now() - interval '24 hours'
