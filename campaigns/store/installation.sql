-- name: database_facts
-- The settings are those of this session, which may override the defaults of server, database and role.
SELECT
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer,
    extract(epoch FROM clock_timestamp())::float8

-- name: find_blockers
-- Sessions that hold locks for which other sessions of this database wait. Returns for each of these sessions the
-- process id, the application name, the longest wait and the number of waiting sessions.
SELECT b.pid, b.application_name, max(extract(epoch FROM clock_timestamp() - w.query_start))::float8, count(*)
FROM pg_stat_activity w
CROSS JOIN LATERAL unnest(pg_blocking_pids(w.pid)) AS blocking (pid)
JOIN pg_stat_activity b ON b.pid = blocking.pid
WHERE w.datname = current_database() AND w.wait_event_type = 'Lock'
    AND w.query_start < clock_timestamp() - make_interval(secs => %(lock_seconds)s)
GROUP BY b.pid, b.application_name ORDER BY b.pid

-- name: inbox_facts
-- Counts the events that were not applied yet, and the dead letters that wait for an operator. Unmatched events are not
-- counted, because they are tried again automatically.
SELECT
    count(*) FILTER (WHERE status = 'stored'),
    coalesce(extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 'stored')), 0)::float8,
    count(*) FILTER (WHERE status = 'set_aside'),
    coalesce((array_agg(DISTINCT reason) FILTER (WHERE status = 'set_aside'))[:%(reasons)s], '{}')
FROM webhook_events

-- name: find_unfinished_campaigns
SELECT id FROM campaigns
WHERE status IN ('pending', 'scheduled', 'running', 'paused')
    OR greatest(completed_at, cancelled_at) > clock_timestamp() - interval '7 days'
ORDER BY created_at, id

-- name: load_campaign_states
-- The messages of a campaign are read only if `reads_messages` is true and its counter of uncertain messages is not 0.
SELECT
    c.id AS campaign_id,
    CASE WHEN l.until > clock_timestamp() THEN l.owner END AS lease_owner,
    CASE WHEN l.until > clock_timestamp() THEN l.until END AS lease_until,
    l.next_message_at, t.components, t.blocked_until AS template_blocked_until,
    (SELECT min(same.status)
     FROM templates same
     JOIN accounts a ON a.waba_id = same.waba_id
     JOIN campaign_accounts ca ON ca.account_id = a.id AND ca.campaign_id = c.id
     WHERE same.name = t.name AND same.language = t.language AND same.status <> 'approved') AS copy_status,
    CASE WHEN c.enqueued_at IS NOT NULL THEN coalesce(c.untaken_since, c.enqueued_at) END AS untaken_since,
    CASE WHEN %(reads_messages)s AND EXISTS (
        SELECT FROM tallies y WHERE y.campaign_id = c.id AND y.status = 'uncertain' AND y.count > 0
    ) THEN (
        SELECT min(m.claimed_at) FROM messages m WHERE m.campaign_id = c.id AND m.status = 'uncertain'
    ) END AS uncertain_since
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN leases l ON l.campaign_id = c.id
WHERE c.id = ANY (%(campaign_ids)s)

-- name: load_traffic
-- Counts, by account, the messages in a sample, and the messages in the sample that have a webhook. The sample of a
-- campaign has the messages with the highest ids up to the cursor, because these messages were sent last. If the cursor
-- is 0, the sample has the messages with the highest ids of the whole campaign.
--
-- Plan: the first entries of messages_in_order for each campaign, backwards. The array and the order are deliberate: by
-- the primary key Postgres would read the messages of all later campaigns.
SELECT m.account_id, count(*),
    count(*) FILTER (WHERE m.status IN ('delivered', 'read', 'failed') OR m.pricing_category IS NOT NULL)
FROM campaigns c
CROSS JOIN LATERAL (
    SELECT n.account_id, n.status, n.sent_at, n.pricing_category
    FROM messages n
    WHERE n.campaign_id = ANY (ARRAY[c.id]) AND n.id <= coalesce(nullif(c.cursor, 0), 9223372036854775807)
    ORDER BY n.campaign_id DESC, n.id DESC LIMIT %(sample_count)s
) m
WHERE c.id = ANY (%(campaign_ids)s)
    AND m.sent_at BETWEEN clock_timestamp() - interval '1 hour'
        AND clock_timestamp() - make_interval(secs => %(webhook_seconds)s)
GROUP BY m.account_id

-- name: lock_repair
-- One repair runs at a time, because two would add the same difference twice. No other lock uses this number.
SELECT pg_advisory_xact_lock(7301986123)

-- name: repair_counters
-- Adds to each counter its difference from a recount. One snapshot reads messages and counters, and every transaction
-- changes both, so the difference is exact. Like the triggers, the statement adds the difference to the counter instead
-- of setting the counter, so changes that commit at the same time are not lost.
WITH recounted AS (
    SELECT campaign_id, status, count(*) AS count, count(replied_at) AS replied_count FROM messages
    WHERE campaign_id = ANY (%(campaign_ids)s) GROUP BY 1, 2
), counted AS (
    SELECT campaign_id, status, count, replied_count FROM tallies WHERE campaign_id = ANY (%(campaign_ids)s)
), differing AS (
    SELECT campaign_id, status, coalesce(r.count, 0) - coalesce(t.count, 0) AS change,
        coalesce(r.replied_count, 0) - coalesce(t.replied_count, 0) AS replied_change
    FROM recounted r FULL JOIN counted t USING (campaign_id, status)
    WHERE coalesce(r.count, 0) <> coalesce(t.count, 0) OR coalesce(r.replied_count, 0) <> coalesce(t.replied_count, 0)
), repaired AS (
    INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
    SELECT campaign_id, status, change, replied_change FROM differing ORDER BY 1, 2
    ON CONFLICT (campaign_id, status) DO UPDATE
    SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count
)
SELECT campaign_id, status::text, change, replied_change FROM differing ORDER BY campaign_id, differing.status

-- name: report_worker
-- Writes the report of a worker. The report has ages instead of times, because the clocks of machines differ. Also
-- deletes the rows of workers that were silent for a day, and of other workers of the same name that were silent for
-- `patience_seconds`.
WITH forgotten AS (
    DELETE FROM workers
    WHERE owner <> %(owner)s AND (
        seen_at < clock_timestamp() - interval '1 day'
        OR name = %(name)s AND seen_at < clock_timestamp() - make_interval(secs => %(patience_seconds)s))
)
INSERT INTO workers AS w
    (owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, stalled_seconds, skew_seconds,
    descriptor_limit, memory_limit_mb)
SELECT
    %(owner)s, %(name)s, %(queues)s, %(slots)s, %(running_count)s,
    now.at - make_interval(secs => %(started_seconds)s), now.at, now.at - make_interval(secs => %(consumed_seconds)s),
    %(stalled_seconds)s, %(local_time)s - extract(epoch FROM now.at), %(descriptor_limit)s, %(memory_limit_mb)s
FROM clock_timestamp() AS now (at)
ON CONFLICT (owner) DO UPDATE SET
    name = excluded.name, queues = excluded.queues, slots = excluded.slots, running_count = excluded.running_count,
    started_at = excluded.started_at, seen_at = excluded.seen_at, consumed_at = excluded.consumed_at,
    stalled_seconds = excluded.stalled_seconds, skew_seconds = excluded.skew_seconds,
    descriptor_limit = excluded.descriptor_limit, memory_limit_mb = excluded.memory_limit_mb

-- name: remove_worker
DELETE FROM workers WHERE owner = %(owner)s

-- name: list_workers
SELECT owner, name, queues, slots, running_count, started_at, seen_at, consumed_at, stalled_seconds, skew_seconds,
    descriptor_limit, memory_limit_mb,
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
