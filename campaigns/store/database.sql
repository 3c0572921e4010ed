-- name: allow_long_statements
SET LOCAL statement_timeout = 0

-- name: read_one_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ

-- name: limit_lock_waits
SELECT set_config('lock_timeout', %(milliseconds)s::text, true)

-- name: commit_lazily
SET LOCAL synchronous_commit = off

-- name: is_ready
SELECT 1

-- name: read_backend_pid
SELECT pg_backend_pid()

-- name: read_clock
SELECT clock_timestamp()
