-- name: allow_long_statements
SET LOCAL statement_timeout = 0

-- name: commit_lazily
SET LOCAL synchronous_commit = off

-- name: is_ready
SELECT 1

-- name: read_clock
SELECT clock_timestamp()
