SELECT owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, stalled_seconds, skew_seconds,
    extract(epoch FROM clock_timestamp() - seen_at)::float8 AS seen_seconds,
    extract(epoch FROM seen_at - consumed_at)::float8 AS consumed_seconds
FROM workers ORDER BY name, owner
