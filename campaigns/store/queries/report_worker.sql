-- A worker says how it is, in ages: each machine has a clock of its own. Who said nothing for a day is forgotten, and
-- so is a silent predecessor of the same name.
WITH forgotten AS (
    DELETE FROM workers
    WHERE owner <> %(owner)s AND (
        seen_at < clock_timestamp() - interval '1 day'
        OR name = %(name)s AND seen_at < clock_timestamp() - make_interval(secs => %(patience_seconds)s))
)
INSERT INTO workers AS w
    (owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, stalled_seconds, skew_seconds)
SELECT
    %(owner)s, %(name)s, %(queues)s, %(slots)s, %(running_count)s,
    now.at - make_interval(secs => %(started_seconds)s), now.at, now.at - make_interval(secs => %(consumed_seconds)s),
    %(stalled_seconds)s, %(local_time)s - extract(epoch FROM now.at)
FROM clock_timestamp() AS now (at)
ON CONFLICT (owner) DO UPDATE SET
    name = excluded.name, queues = excluded.queues, slots = excluded.slots, running_count = excluded.running_count,
    started_at = excluded.started_at, seen_at = excluded.seen_at, consumed_at = excluded.consumed_at,
    stalled_seconds = excluded.stalled_seconds, skew_seconds = excluded.skew_seconds
