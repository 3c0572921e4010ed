-- name: lock_migrations
-- Only one `revoada migrate` applies a migration at a time. No other lock uses this number. The lock belongs to the
-- transaction, not to the session, because a pooler may give the next transaction another session.
SELECT pg_advisory_xact_lock(7301986121)

-- name: list_open_transactions
-- The oldest transactions of other sessions, for which a migration may wait.
SELECT application_name, pid, extract(epoch FROM clock_timestamp() - xact_start)::float8
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
ORDER BY xact_start
LIMIT 3

-- name: make_migrations
CREATE TABLE IF NOT EXISTS schema_migrations (name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())

-- name: list_applied_migrations
SELECT name FROM schema_migrations ORDER BY name

-- name: is_applied
SELECT FROM schema_migrations WHERE name = %(name)s

-- name: note_migration
INSERT INTO schema_migrations (name) VALUES (%(name)s)

-- name: make_installation
INSERT INTO installation DEFAULT VALUES ON CONFLICT DO NOTHING

-- name: has_migrations_table
SELECT to_regclass('schema_migrations') IS NOT NULL
