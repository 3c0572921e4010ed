-- name: state_of_campaigns
-- Plan: the first part reads the row of each campaign, or, after a VACUUM, only campaigns_by_status. The other parts read
-- campaigns_alive, which has the campaigns that have not ended.
SELECT 'status', status::text, count(*)::float8 FROM campaigns WHERE test_of IS NULL GROUP BY status
UNION ALL
SELECT 'reason', waiting_reason, count(*) FROM campaigns
WHERE test_of IS NULL AND status = 'running' AND waiting_reason IS NOT NULL GROUP BY waiting_reason
UNION ALL
SELECT 'untaken', '', count(*) FROM campaigns
WHERE status IN ('pending', 'scheduled', 'running') AND enqueued_at IS NOT NULL
UNION ALL
SELECT 'untaken_age', '',
    coalesce(extract(epoch FROM clock_timestamp() - min(coalesce(untaken_since, enqueued_at))), 0)
FROM campaigns
WHERE status IN ('pending', 'scheduled', 'running') AND enqueued_at IS NOT NULL

-- name: state_of_messages
-- Reads the counters of the campaigns and no message.
SELECT status::text, sum(count)::float8 FROM tallies GROUP BY status

-- name: state_of_inbox
SELECT status, count(*)::float8, coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8
FROM webhook_events GROUP BY status

-- name: state_of_accounts
-- The accounts with the smallest ids, so that the same accounts have series each time.
SELECT id, active, messages_per_second, greatest(consecutive_failures, consecutive_reported),
    greatest(coalesce(extract(epoch FROM blocked_until - clock_timestamp()), 0), 0)::float8,
    coalesce(nullif(health ->> 'quality', ''), 'UNKNOWN')
FROM accounts ORDER BY id LIMIT %(most)s

-- name: state_of_portfolios
SELECT id, people_count, daily_limit FROM portfolios ORDER BY id LIMIT %(most)s

-- name: state_of_work
SELECT
    (SELECT count(*) FROM accounts),
    (SELECT count(*) FROM file_jobs WHERE status = 'due'),
    (SELECT count(*) FROM hook_deliveries d JOIN hooks h ON h.id = d.hook_id
     WHERE d.due_at <= clock_timestamp() AND h.disabled_at IS NULL),
    (SELECT count(*) FROM hooks WHERE failing_since IS NOT NULL),
    -- Workers write to the samples of accounts too, but only the task `campaigns.sample` writes the rate.
    extract(epoch FROM greatest(
        (SELECT read_at FROM campaign_samples WHERE step = 'minute' ORDER BY at DESC LIMIT 1),
        (SELECT at FROM account_samples WHERE step = 'minute' AND rate IS NOT NULL ORDER BY at DESC LIMIT 1)))::float8

-- name: count_uncertain_of_campaigns
-- Plan: the small index tallies_uncertain, which has only campaigns that once had an uncertain message, then the primary
-- key of each campaign. OFFSET 0 is deliberate: without it Postgres may read all campaigns.
SELECT t.campaign_id, t.count, c.has_ended
FROM tallies t
CROSS JOIN LATERAL (
    SELECT status IN ('completed', 'cancelled') AS has_ended, coalesce(completed_at, cancelled_at, 'infinity') AS ended_at
    FROM campaigns WHERE id = t.campaign_id OFFSET 0
) c
WHERE t.status = 'uncertain' AND t.count > 0 AND c.ended_at > clock_timestamp() - interval '7 days'

-- name: load_uncertain_ages
-- Plan: messages_in_order once for each campaign, and all its messages: no index has the status.
SELECT wanted.id, oldest.age
FROM unnest(%(campaign_ids)s::bigint[]) AS wanted (id)
CROSS JOIN LATERAL (
    SELECT extract(epoch FROM clock_timestamp() - min(m.claimed_at))::float8 AS age
    FROM messages m WHERE m.campaign_id = wanted.id AND m.status = 'uncertain'
) oldest
WHERE oldest.age IS NOT NULL
