-- name: insert_campaign
-- A draft with its lease and its accounts: no campaign is ever without a lease row.
WITH campaign AS (
    INSERT INTO campaigns (
        name, template_id, parameters, columns, time_zone, scheduled_at, start_within_seconds, expire_at, max_per_person, within_days,
        interval_seconds, pause_after, pause_seconds, window_from, window_to, weekdays, uses_recipient_zones, holidays)
    VALUES (
        %(name)s, %(template_id)s, %(parameters)s, %(columns)s, %(time_zone)s, %(scheduled_at)s,
        %(start_within_seconds)s, %(expire_at)s, %(max_per_person)s, %(within_days)s, %(interval_seconds)s, %(pause_after)s, %(pause_seconds)s,
        %(window_from)s, %(window_to)s, %(weekdays)s, %(uses_recipient_zones)s, %(holidays)s)
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id) SELECT id, unnest(%(account_ids)s::bigint[]) FROM campaign
)
SELECT id FROM campaign

-- name: lock_campaigns
-- Campaigns that a person is about to move or change, locked in their order. The lock keeps runners, releases and other
-- people out until the decision is written.
SELECT
    c.id, c.name, c.status::text AS status, c.template_id, c.parameters, c.columns, c.scheduled_at,
    c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after, c.pause_seconds, c.window_from,
    c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays, c.waiting_reason, c.started_at,
    c.recipient_count, clock_timestamp() AS server_now,
    (SELECT count(*) FROM campaign_accounts a WHERE a.campaign_id = c.id) AS account_count
FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: move_campaigns
-- Decided changes of status, each only from the status it was decided on. Whatever a campaign waited for is over. None
-- leads to `completed`; in a completed one that a retry opens again nothing is left to be found behind the cursor.
UPDATE campaigns c
SET status = m.new, waiting_reason = NULL, due_at = NULL,
    enqueued_at = CASE WHEN m.rings THEN clock_timestamp() END,
    completed_at = NULL,
    cancelled_at = CASE WHEN m.new = 'cancelled' THEN clock_timestamp() END,
    cursor = CASE WHEN c.status <> 'completed' THEN c.cursor
        ELSE (SELECT max(n.id) FROM messages n WHERE n.campaign_id = c.id) END
FROM unnest(
    %(ids)s::bigint[], %(old)s::campaign_status[], %(new)s::campaign_status[], %(rings)s::bool[]
) AS m (id, old, new, rings)
WHERE c.id = m.id AND c.status = m.old

-- name: cancel_messages
-- What was not claimed yet is cancelled with its campaign; what is on the wire stays, its reply settles it. The tallies
-- tell where there is something to do, so a second look costs nothing.
UPDATE messages m SET status = unless_doubted(m.doubted, 'cancelled'), not_before = NULL
WHERE status = 'pending'
    AND campaign_id IN (
        SELECT t.campaign_id FROM tallies t
        WHERE t.campaign_id = ANY (%(campaign_ids)s) AND t.status = 'pending' AND t.count > 0
    )

-- name: update_campaign
-- A changed plan, only in the status it was decided on. `wakes`: what the campaign waits for has changed, so it is
-- looked at now; `rings`: the caller rings it.
UPDATE campaigns
SET name = %(name)s, template_id = %(template_id)s, parameters = %(parameters)s, columns = %(columns)s,
    time_zone = %(time_zone)s, scheduled_at = %(scheduled_at)s,
    interval_seconds = %(interval_seconds)s, pause_after = %(pause_after)s, pause_seconds = %(pause_seconds)s,
    start_within_seconds = %(start_within_seconds)s, expire_at = %(expire_at)s,
    max_per_person = %(max_per_person)s, within_days = %(within_days)s,
    window_from = %(window_from)s, window_to = %(window_to)s, weekdays = %(weekdays)s,
    uses_recipient_zones = %(uses_recipient_zones)s, holidays = %(holidays)s,
    status = %(new)s::campaign_status,
    due_at = CASE WHEN NOT %(wakes)s THEN due_at END,
    enqueued_at = CASE WHEN %(rings)s THEN clock_timestamp() WHEN %(new)s <> 'scheduled' THEN enqueued_at END
WHERE id = %(campaign_id)s AND status = %(old)s::campaign_status

-- name: rebase_pace
-- A shorter interval or pause counts at once: the next message is due no later than one new gap from now. A longer one
-- counts from the next message on. In a pause (`burst_count` 0 with a time) the gap is the new pause.
UPDATE leases l
SET next_message_at = least(l.next_message_at, clock_timestamp() + make_interval(secs =>
    CASE WHEN l.burst_count = 0 THEN greatest(c.interval_seconds, coalesce(c.pause_seconds, 0))
    ELSE c.interval_seconds END))
FROM campaigns c
WHERE l.campaign_id = %(campaign_id)s AND c.id = l.campaign_id AND l.next_message_at IS NOT NULL

-- name: replace_campaign_accounts
-- Exactly these accounts; who stays is not touched.
WITH gone AS (
    DELETE FROM campaign_accounts
    WHERE campaign_id = %(campaign_id)s AND account_id <> ALL (%(account_ids)s::bigint[])
)
INSERT INTO campaign_accounts (campaign_id, account_id)
SELECT %(campaign_id)s, unnest(%(account_ids)s::bigint[])
ON CONFLICT DO NOTHING

-- name: list_campaigns
-- Campaigns as people see them, oldest first; `campaign_ids` NULL: all but the tests of others.
SELECT
    c.id, c.name, c.status::text AS status, c.test_of, t.name AS template_name, t.language, t.status AS template_status,
    c.parameters, c.columns, c.scheduled_at, c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after,
    c.pause_seconds, c.window_from, c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays,
    c.waiting_reason, c.due_at, c.enqueued_at, c.recipient_count, c.duplicate_count, c.rejected_count,
    c.created_at, c.started_at, c.completed_at, clock_timestamp() AS server_now,
    coalesce(n.counts, '{}') AS counts
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(y.status, y.count ORDER BY y.status) AS counts
    FROM tallies y WHERE y.campaign_id = c.id AND y.count <> 0
) n ON true
WHERE (%(campaign_ids)s::bigint[] IS NULL AND c.test_of IS NULL) OR c.id = ANY (%(campaign_ids)s)
ORDER BY c.created_at, c.id

-- name: insert_test_campaign
-- A test of a campaign: started at once, with its template and accounts, without its pace and schedule.
WITH campaign AS (
    INSERT INTO campaigns (name, status, template_id, parameters, columns, time_zone, test_of, enqueued_at)
    SELECT c.name || ' (test)', 'pending', c.template_id, c.parameters, c.columns, c.time_zone, c.id,
        clock_timestamp()
    FROM campaigns c WHERE c.id = %(campaign_id)s
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT t.id, a.account_id FROM campaign t, campaign_accounts a WHERE a.campaign_id = %(campaign_id)s
)
SELECT id FROM campaign

-- name: insert_test_messages
-- Each phone gets what one of the first people gets, in their order; with fewer people than phones they start again.
WITH people AS (
    SELECT variables, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count
    FROM (
        SELECT id, variables FROM messages
        WHERE campaign_id = %(campaign_id)s AND phone IS NOT NULL ORDER BY id LIMIT cardinality(%(phones)s::text[])
    ) first
), inserted AS (
    INSERT INTO messages (campaign_id, phone, recipient_key, variables)
    SELECT %(test_id)s, t.phone, t.recipient_key, p.variables
    FROM unnest(%(phones)s::text[], %(recipient_keys)s::text[]) WITH ORDINALITY AS t (phone, recipient_key, n)
    JOIN people p ON p.n = 1 + mod(t.n - 1, p.count)
    ORDER BY t.n
    ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING
    RETURNING id
)
UPDATE campaigns SET recipient_count = (SELECT count(*) FROM inserted) WHERE id = %(test_id)s

-- name: list_test_ids
SELECT id FROM campaigns WHERE test_of = %(campaign_id)s

-- name: list_test_messages
SELECT phone, status::text AS status, error_code, error_title
FROM messages
WHERE campaign_id = %(test_id)s
ORDER BY id

-- name: list_reasons
-- Why messages of a campaign are uncertain, failed, skipped by its cap per person (as the claims word it), or skipped
-- because an answer waits for review (code -2), with the times of the oldest and the newest. The query reads the whole
-- campaign once, for a command of a person, and only if the counters show such messages.
SELECT m.status::text AS status, m.error_code, m.error_title, count(*) AS count,
    min(coalesce(m.failed_at, m.claimed_at)) AS oldest_at, max(coalesce(m.failed_at, m.claimed_at)) AS newest_at, min(m.id) AS first_message_id
FROM messages m
WHERE m.campaign_id = %(campaign_id)s
    AND (m.status IN ('uncertain', 'failed')
        OR (m.status = 'suppressed'
            AND (m.error_code = -2 OR m.error_title = 'the person had as many messages as the campaign allows')))
    AND EXISTS (
        SELECT FROM tallies t
        WHERE t.campaign_id = %(campaign_id)s AND t.status IN ('uncertain', 'failed', 'suppressed') AND t.count > 0
    )
GROUP BY m.status, m.error_code, m.error_title
ORDER BY m.status DESC, count(*) DESC, m.error_code

-- name: list_prices
-- What Meta reports of the price of a campaign's messages, summed. One pass over the campaign, asked by a person.
SELECT m.pricing_category AS category, m.pricing_model AS model, m.is_billable, count(*) AS count
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND num_nonnulls(m.pricing_category, m.pricing_model, m.is_billable) > 0
GROUP BY m.pricing_category, m.pricing_model, m.is_billable
ORDER BY count(*) DESC, m.pricing_category, m.pricing_model, m.is_billable

-- name: find_template_id
SELECT template_id FROM campaigns WHERE id = %(campaign_id)s

-- name: first_messages
SELECT phone, variables FROM messages
WHERE campaign_id = %(campaign_id)s AND status = 'pending'
ORDER BY id
LIMIT %(limit)s

-- name: count_pending
SELECT count(*), count(s.recipient_key)
FROM messages m
LEFT JOIN (SELECT DISTINCT recipient_key FROM suppressions WHERE is_active) s ON s.recipient_key = m.recipient_key
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'

-- name: load_tally
SELECT status::text, count FROM tallies WHERE campaign_id = %(campaign_id)s
