-- Sessions that others of this database wait for since a while: process id, program, how long, how many wait.
SELECT b.pid, b.application_name, max(extract(epoch FROM clock_timestamp() - w.query_start))::float8, count(*)
FROM pg_stat_activity w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocking (pid)
JOIN pg_stat_activity b ON b.pid = blocking.pid
WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
    AND w.query_start < clock_timestamp() - make_interval(secs => %(lock_seconds)s)
GROUP BY b.pid, b.application_name ORDER BY b.pid
