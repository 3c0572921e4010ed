-- name: lock_migrations
-- Keeps two `revoada migrate` from running at once. The number is only for this lock.
SELECT pg_advisory_lock(7301986121)

-- name: make_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())

-- name: list_migrations
SELECT name FROM schema_migrations ORDER BY name

-- name: note_migration
INSERT INTO schema_migrations (name) VALUES (%(name)s)

-- name: make_installation
INSERT INTO installation DEFAULT VALUES ON CONFLICT DO NOTHING

-- name: has_migrations
SELECT to_regclass('schema_migrations') IS NOT NULL
