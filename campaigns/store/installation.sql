-- name: installation_id
SELECT id FROM installation

-- name: database_facts
-- Settings are those of this very session: what the server, the database or the role says may be overruled.
SELECT
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer,
    extract(epoch FROM clock_timestamp())::float8

-- name: find_blockers
-- Sessions that others of this database wait for since a while: process id, program, how long, how many wait.
SELECT b.pid, b.application_name, max(extract(epoch FROM clock_timestamp() - w.query_start))::float8, count(*)
FROM pg_stat_activity w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocking (pid)
JOIN pg_stat_activity b ON b.pid = blocking.pid
WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
    AND w.query_start < clock_timestamp() - make_interval(secs => %(lock_seconds)s)
GROUP BY b.pid, b.application_name ORDER BY b.pid

-- name: inbox_facts
-- What waits to be applied for the first time (unmatched events come back by themselves), and what a person must see.
SELECT
    count(*) FILTER (WHERE status = 'stored'),
    coalesce(extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 'stored')), 0)::float8,
    count(*) FILTER (WHERE status = 'set_aside'),
    coalesce((array_agg(DISTINCT reason) FILTER (WHERE status = 'set_aside'))[:%(reasons)s], '{}')
FROM webhook_events

-- name: find_unfinished
SELECT id FROM campaigns
WHERE status IN ('pending', 'scheduled', 'running', 'paused')
    OR greatest(completed_at, cancelled_at) > clock_timestamp() - interval '7 days'
ORDER BY created_at, id

-- name: load_standings
-- Rows of messages are read only where a counter says that some are uncertain.
SELECT
    c.id AS campaign_id,
    CASE WHEN l.until > clock_timestamp() THEN l.owner END AS lease_owner,
    CASE WHEN l.until > clock_timestamp() THEN l.until END AS lease_until,
    l.next_message_at, t.blocked_until AS template_blocked_until,
    CASE WHEN EXISTS (
        SELECT FROM tallies y WHERE y.campaign_id = c.id AND y.status = 'uncertain' AND y.count > 0
    ) THEN (
        SELECT min(m.claimed_at) FROM messages m WHERE m.campaign_id = c.id AND m.status = 'uncertain'
    ) END AS uncertain_since
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN leases l ON l.campaign_id = c.id
WHERE c.id = ANY (%(campaign_ids)s)

-- name: load_traffic
-- A look at the last messages of each campaign, by the index that claims use: those that left last stand before the
-- cursor, or at the end where it has come back to the start.
SELECT m.account_id, count(*),
    count(*) FILTER (WHERE m.status IN ('delivered', 'read', 'failed') OR m.pricing_category IS NOT NULL)
FROM campaigns c
CROSS JOIN LATERAL (
    SELECT n.account_id, n.status, n.sent_at, n.pricing_category
    FROM messages n
    WHERE n.campaign_id = c.id AND (c.cursor = 0 OR n.id <= c.cursor)
    ORDER BY n.id DESC LIMIT %(sample_count)s
) m
WHERE c.id = ANY (%(campaign_ids)s)
    AND m.sent_at BETWEEN clock_timestamp() - interval '1 hour'
        AND clock_timestamp() - make_interval(secs => %(webhook_seconds)s)
GROUP BY m.account_id

-- name: lock_repair
-- Two repairs at once would both add what is missing. The number is only for this lock.
SELECT pg_advisory_xact_lock(7301986123)

-- name: repair_tallies
-- Adds to each counter what it lacks. Both sides are read by one snapshot, in which every commit has changed rows and
-- counter alike; and like the triggers this adds, so what commits meanwhile is added as well and nothing is lost.
WITH recounted AS (
    SELECT campaign_id, status, count(*) AS count FROM messages
    WHERE campaign_id = ANY (%(campaign_ids)s) GROUP BY 1, 2
), counted AS (
    SELECT campaign_id, status, count FROM tallies WHERE campaign_id = ANY (%(campaign_ids)s)
), differing AS (
    SELECT campaign_id, status, coalesce(r.count, 0) - coalesce(t.count, 0) AS change
    FROM recounted r FULL JOIN counted t USING (campaign_id, status)
    WHERE coalesce(r.count, 0) <> coalesce(t.count, 0)
), repaired AS (
    INSERT INTO tallies AS t (campaign_id, status, count)
    SELECT campaign_id, status, change FROM differing ORDER BY 1, 2
    ON CONFLICT (campaign_id, status) DO UPDATE SET count = t.count + excluded.count
)
SELECT campaign_id, status::text, change FROM differing ORDER BY campaign_id, differing.status

-- name: report_worker
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

-- name: remove_worker
DELETE FROM workers WHERE owner = %(owner)s

-- name: list_workers
SELECT owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, stalled_seconds, skew_seconds,
    extract(epoch FROM clock_timestamp() - seen_at)::float8 AS seen_seconds,
    extract(epoch FROM seen_at - consumed_at)::float8 AS consumed_seconds
FROM workers ORDER BY name, owner

-- name: load_tick_age
SELECT extract(epoch FROM clock_timestamp() - ticked_at)::float8 FROM installation

-- name: load_setup_accounts
SELECT id, name, phone_number_id, waba_id, token
FROM accounts
WHERE %(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s)
ORDER BY id

-- name: load_used_templates
SELECT DISTINCT a.account_id, t.name, t.language
FROM campaigns c
JOIN templates t ON t.id = c.template_id
JOIN campaign_accounts a ON a.campaign_id = c.id
WHERE c.status NOT IN ('completed', 'cancelled')
ORDER BY 1, 2, 3
