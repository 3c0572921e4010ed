-- name: sample_campaigns
-- Writes the counters of the running campaigns into the row of this minute. A campaign that does not run any more gets
-- one more row, if its counters have changed since its row of a minute ago. A second call in the same minute writes
-- nothing. The rate is that since the row before; if that row is older than three minutes, the rate is not known.
--
-- Plan: `campaigns_by_status` finds the running campaigns, `campaign_samples_by_time` the rows of the last minutes, and
-- the primary key of `tallies` the counters of each campaign.
WITH latest AS (
    SELECT DISTINCT ON (campaign_id) campaign_id, read_at, counts, done_count
    FROM campaign_samples
    WHERE step = 'minute' AND at > now() - interval '3 minutes'
    ORDER BY campaign_id, at DESC
), wanted AS (
    SELECT id FROM campaigns WHERE status = 'running' AND test_of IS NULL
    UNION
    SELECT campaign_id FROM latest
), found AS (
    SELECT c.id, c.status = 'running' AS is_running,
        coalesce(l.read_at, CASE WHEN c.started_at > now() - interval '3 minutes' THEN c.started_at END) AS since,
        coalesce(l.done_count, 0) AS done_before, l.counts AS counts_before,
        n.counts, n.done_count
    FROM wanted w
    JOIN campaigns c ON c.id = w.id
    LEFT JOIN latest l ON l.campaign_id = c.id
    CROSS JOIN LATERAL (
        SELECT coalesce(jsonb_object_agg(t.status, t.count), '{}') AS counts,
            coalesce(sum(t.count) FILTER (WHERE t.status > 'sending'), 0)::bigint AS done_count
        FROM tallies t WHERE t.campaign_id = c.id AND t.count <> 0
    ) n
)
INSERT INTO campaign_samples (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT id, 'minute', date_trunc('minute', now()), now(), counts, done_count,
    CASE WHEN since < now() THEN greatest(done_count - done_before, 0) / extract(epoch FROM now() - since) END
FROM found
WHERE is_running OR counts IS DISTINCT FROM counts_before
ON CONFLICT DO NOTHING

-- name: sample_accounts
-- Writes the limit and the quality of each account into its row of this minute. A second call in the same minute
-- replaces both values, and leaves the counts of replies alone. A NULL in `rates` means an unknown rate.
INSERT INTO account_samples AS s (account_id, step, at, rate, quality)
SELECT a.id, 'minute', date_trunc('minute', now()), r.rate, nullif(a.health ->> 'quality', '')
FROM accounts a
JOIN unnest(%(account_ids)s::bigint[], %(rates)s::float8[]) AS r (account_id, rate) ON r.account_id = a.id
ORDER BY a.id
ON CONFLICT (account_id, step, at) DO UPDATE SET rate = excluded.rate, quality = excluded.quality

-- name: list_rates
SELECT id, messages_per_second FROM accounts

-- name: add_replies
-- Adds counts of replies to the rows of this minute. The rows are locked in the order of the accounts, so that two
-- workers do not deadlock.
INSERT INTO account_samples AS s (account_id, step, at, accepted, throttled, uncertain, failed_recipient,
    failed_message, failed_template, failed_account, failed_server, failed_ours, failed_unknown)
SELECT account_id, 'minute', date_trunc('minute', now()),
    coalesce(sum(count) FILTER (WHERE outcome = 'accepted'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'throttle'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'uncertain'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'recipient'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'message'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'template'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'account'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'server'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'ours'), 0),
    coalesce(sum(count) FILTER (WHERE outcome = 'unknown'), 0)
FROM unnest(%(account_ids)s::bigint[], %(outcomes)s::text[], %(counts)s::bigint[]) AS r (account_id, outcome, count)
GROUP BY account_id
ORDER BY account_id
ON CONFLICT (account_id, step, at) DO UPDATE SET
    accepted = s.accepted + excluded.accepted, throttled = s.throttled + excluded.throttled,
    uncertain = s.uncertain + excluded.uncertain, failed_recipient = s.failed_recipient + excluded.failed_recipient,
    failed_message = s.failed_message + excluded.failed_message,
    failed_template = s.failed_template + excluded.failed_template,
    failed_account = s.failed_account + excluded.failed_account, failed_server = s.failed_server + excluded.failed_server,
    failed_ours = s.failed_ours + excluded.failed_ours, failed_unknown = s.failed_unknown + excluded.failed_unknown

-- name: condense_campaign_samples
-- Replaces rows that are older than `older_than` by one row for each longer `step`: the last counters, and the mean
-- rate. Only whole steps are replaced, and only those of the oldest day, so that the statement is short also after a long
-- pause. If two transactions run this statement, the second one waits for the rows and then finds them gone.
WITH old AS (
    DELETE FROM campaign_samples
    WHERE step = %(from)s AND at < least(
        date_trunc(%(to)s, now() - %(older_than)s::interval),
        date_trunc('day', (SELECT min(at) FROM campaign_samples WHERE step = %(from)s)) + interval '1 day')
    RETURNING *
)
INSERT INTO campaign_samples AS s (campaign_id, step, at, read_at, counts, done_count, rate)
SELECT campaign_id, %(to)s, date_trunc(%(to)s, at), max(read_at), (array_agg(counts ORDER BY at DESC))[1],
    (array_agg(done_count ORDER BY at DESC))[1], avg(rate)
FROM old
GROUP BY campaign_id, date_trunc(%(to)s, at)
ON CONFLICT DO NOTHING

-- name: condense_account_samples
-- As `condense_campaign_samples`. The new row has the sums of the counts, the lowest rate and the last quality.
WITH old AS (
    DELETE FROM account_samples
    WHERE step = %(from)s AND at < least(
        date_trunc(%(to)s, now() - %(older_than)s::interval),
        date_trunc('day', (SELECT min(at) FROM account_samples WHERE step = %(from)s)) + interval '1 day')
    RETURNING *
)
INSERT INTO account_samples AS s (account_id, step, at, accepted, throttled, uncertain, failed_recipient,
    failed_message, failed_template, failed_account, failed_server, failed_ours, failed_unknown, rate, quality)
SELECT account_id, %(to)s, date_trunc(%(to)s, at), sum(accepted), sum(throttled), sum(uncertain),
    sum(failed_recipient), sum(failed_message), sum(failed_template), sum(failed_account), sum(failed_server),
    sum(failed_ours), sum(failed_unknown), min(rate),
    (array_agg(quality ORDER BY at DESC) FILTER (WHERE quality IS NOT NULL))[1]
FROM old
GROUP BY account_id, date_trunc(%(to)s, at)
ON CONFLICT DO NOTHING

-- name: delete_old_samples
-- Deletes the rows of days that are older than two years.
WITH campaigns AS (
    DELETE FROM campaign_samples WHERE step = 'day' AND at < now() - interval '731 days' RETURNING 1
), accounts AS (
    DELETE FROM account_samples WHERE step = 'day' AND at < now() - interval '731 days' RETURNING 1
)
SELECT (SELECT count(*) FROM campaigns) + (SELECT count(*) FROM accounts)

-- name: find_campaign_span
SELECT min(at), max(read_at) FROM campaign_samples WHERE campaign_id = %(campaign_id)s

-- name: list_campaign_samples
-- Returns the samples of a campaign, the oldest first, put together into intervals of `seconds`: the last counters and
-- the mean rate of each interval.
SELECT date_bin(make_interval(secs => %(seconds)s), at, '2000-01-01T00:00Z') AS at, max(read_at) AS read_at,
    (array_agg(counts ORDER BY at DESC))[1] AS counts, avg(rate) AS rate
FROM campaign_samples
WHERE campaign_id = %(campaign_id)s
GROUP BY 1
ORDER BY 1

-- name: list_account_samples
-- Returns the last `count` intervals of `seconds`, the oldest first. The last one is the present interval. Each has the
-- sums of the counts, the lowest rate and the last quality of its samples.
WITH present AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), now(), '2000-01-01T00:00Z') AS at
), wanted AS (
    SELECT generate_series(at - make_interval(secs => %(seconds)s) * (%(count)s::integer - 1), at,
        make_interval(secs => %(seconds)s)) AS at
    FROM present
), found AS (
    SELECT date_bin(make_interval(secs => %(seconds)s), at, '2000-01-01T00:00Z') AS at,
        sum(accepted)::bigint AS accepted, sum(throttled)::bigint AS throttled, sum(uncertain)::bigint AS uncertain,
        jsonb_build_object('recipient', sum(failed_recipient), 'message', sum(failed_message),
            'template', sum(failed_template), 'account', sum(failed_account), 'server', sum(failed_server),
            'ours', sum(failed_ours), 'unknown', sum(failed_unknown)) AS failed,
        min(rate) AS rate, (array_agg(quality ORDER BY at DESC) FILTER (WHERE quality IS NOT NULL))[1] AS quality
    FROM account_samples
    WHERE account_id = %(account_id)s AND step IN ('minute', 'hour', 'day') AND at >= (SELECT min(at) FROM wanted)
    GROUP BY 1
)
SELECT at, coalesce(accepted, 0) AS accepted, coalesce(throttled, 0) AS throttled, coalesce(uncertain, 0) AS uncertain,
    coalesce(failed, '{}') AS failed, rate, quality, accepted IS NOT NULL AS is_known
FROM wanted LEFT JOIN found USING (at)
ORDER BY at
