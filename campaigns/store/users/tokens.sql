-- name: insert_token
INSERT INTO api_tokens (user_id, name, token_sha256, scopes, networks, created_at, expires_at)
VALUES (%(user_id)s, %(name)s, %(token_sha256)s, %(scopes)s::text[], %(networks)s::text[]::cidr[], now(),
    now() + make_interval(hours => 24 * %(days)s))
RETURNING id

-- name: list_tokens
SELECT t.id, t.name, u.name AS owner, t.scopes, t.networks::text[] AS networks, t.created_at, t.expires_at,
    t.last_used_at, t.revoked_at, t.revoked_at IS NULL AND t.expires_at > now() AND u.disabled_at IS NULL AS is_valid
FROM api_tokens t JOIN users u ON u.id = t.user_id
WHERE (%(token_id)s::bigint IS NULL OR t.id = %(token_id)s)
ORDER BY t.id

-- name: revoke_token
UPDATE api_tokens SET revoked_at = clock_timestamp() WHERE id = %(token_id)s AND revoked_at IS NULL

-- name: find_token
SELECT t.id, t.name, u.id AS user_id, u.name AS owner, u.role, t.scopes, t.expires_at,
    t.networks = '{}' OR EXISTS (SELECT FROM unnest(t.networks) network WHERE %(address)s::inet <<= network) AS is_from_its_network,
    t.last_used_at IS NULL OR t.last_used_at < now() - interval '1 minute' AS is_unseen
FROM api_tokens t JOIN users u ON u.id = t.user_id
WHERE t.token_sha256 = %(token_sha256)s AND t.revoked_at IS NULL AND t.expires_at > now() AND u.disabled_at IS NULL

-- name: see_token
UPDATE api_tokens SET last_used_at = clock_timestamp() WHERE id = %(token_id)s
