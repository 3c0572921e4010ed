-- name: insert_campaign
-- Inserts a draft with its accounts and its lease row. Every campaign has a lease row.
WITH campaign AS (
    INSERT INTO campaigns (
        name, template_id, parameters, columns, time_zone, scheduled_at, start_within_seconds, expire_at, max_per_person, within_days,
        interval_seconds, pause_after, pause_seconds, window_from, window_to, weekdays, uses_recipient_zones, holidays,
        draft_key, is_standing, made_with)
    VALUES (
        %(name)s, %(template_id)s, %(parameters)s, %(columns)s, %(time_zone)s, %(scheduled_at)s,
        %(start_within_seconds)s, %(expire_at)s, %(max_per_person)s, %(within_days)s, %(interval_seconds)s, %(pause_after)s, %(pause_seconds)s,
        %(window_from)s, %(window_to)s, %(weekdays)s, %(uses_recipient_zones)s, %(holidays)s, %(draft_key)s, %(is_standing)s,
        (SELECT jsonb_build_object('template', t.name || ':' || t.language, 'components', t.components,
            'parameters', %(parameters)s::jsonb)
         FROM templates t WHERE t.id = %(template_id)s))
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id) SELECT id, unnest(%(account_ids)s::bigint[]) FROM campaign
)
SELECT id FROM campaign

-- name: lock_draft_key
-- Lets one transaction at a time make a draft with this key. The next one then finds the draft.
SELECT pg_advisory_xact_lock(730198, hashtext(encode(%(draft_key)s, 'hex')))

-- name: find_draft_key
SELECT id FROM campaigns WHERE draft_key = %(draft_key)s

-- name: lock_starts
-- Lets one transaction at a time start or resume campaigns. Otherwise two drafts with the same people could start at
-- the same time, and neither start would see that the other campaign sends, too.
SELECT pg_advisory_xact_lock(7301986125)

-- name: load_made_with
SELECT made_with FROM campaigns WHERE id = %(campaign_id)s

-- name: count_pending_by_prefix
-- The number of pending messages by the first three digits of the phones, which have the country code. The query reads
-- the whole campaign. It runs when a draft is made with a list, and before a person starts or resumes the campaign.
SELECT substr(phone, 2, 3), count(*) FROM messages
WHERE campaign_id = %(campaign_id)s AND status = 'pending' AND phone IS NOT NULL
GROUP BY 1

-- name: lock_campaigns
-- Locks campaigns in the order of their ids before an operator changes them. Until the change is committed, no slice
-- starts or ends, no message becomes pending again and no other operator changes these campaigns.
SELECT
    c.id, c.name, c.status::text AS status, c.template_id, c.parameters, c.columns, c.scheduled_at,
    c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after, c.pause_seconds, c.window_from,
    c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays, c.is_standing, c.waiting_reason,
    c.started_at, c.recipient_count, clock_timestamp() AS server_now,
    (SELECT count(*) FROM campaign_accounts a WHERE a.campaign_id = c.id) AS account_count
FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: move_campaigns
-- Changes the status of each campaign that still has its `old` status. The wait of each campaign ends. No change leads
-- to `completed`. If a retry reopens a completed campaign, the cursor moves to the last message, because claims find
-- the retried messages by `not_before`, not by the cursor.
UPDATE campaigns c
SET status = m.new, waiting_reason = NULL, due_at = NULL,
    enqueued_at = CASE WHEN m.should_enqueue THEN clock_timestamp() END,
    untaken_since = NULL,
    completed_at = NULL,
    cancelled_at = CASE WHEN m.new = 'cancelled' THEN clock_timestamp() END,
    cursor = CASE WHEN c.status <> 'completed' THEN c.cursor
        ELSE (SELECT max(n.id) FROM messages n WHERE n.campaign_id = c.id) END
FROM unnest(
    %(ids)s::bigint[], %(old)s::campaign_status[], %(new)s::campaign_status[], %(should_enqueue)s::bool[]
) AS m (id, old, new, should_enqueue)
WHERE c.id = m.id AND c.status = m.old

-- name: find_uncancelled
-- Returns the cancelled campaigns that still have pending messages.
SELECT c.id FROM campaigns c
JOIN tallies t ON t.campaign_id = c.id AND t.status = 'pending' AND t.count > 0
WHERE c.status = 'cancelled'
ORDER BY c.id

-- name: cancel_messages
-- Cancels the next pending messages of a cancelled campaign, which no worker sends any more, in the order of their ids.
-- Messages in flight keep their status until Meta's reply settles them. A release never makes a message of a cancelled
-- campaign pending again. Returns the last id, NULL if no message is left.
--
-- Plan: one scan of `messages_in_order` behind the id `after`, so all calls for a campaign read it once. The array and the
-- order are deliberate, see `claim_messages`.
WITH next AS MATERIALIZED (
    SELECT id FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(after)s AND status = 'pending'
        AND EXISTS (SELECT FROM campaigns WHERE id = %(campaign_id)s AND status = 'cancelled')
    ORDER BY campaign_id, id
    LIMIT %(limit)s
    FOR UPDATE
), cancelled AS (
    UPDATE messages m SET status = unless_doubted(m.doubted, 'cancelled'), not_before = NULL
    FROM next n WHERE m.id = n.id
)
SELECT max(id) FROM next

-- name: update_campaign
-- Writes a changed plan if the campaign still has its `old` status. `wakes`: the change may end the campaign's wait, so
-- the campaign is due now. `should_enqueue`: the caller enqueues the campaign. A draft without people is still being
-- made, so `made_with` follows its template and its values.
UPDATE campaigns
SET name = %(name)s, template_id = %(template_id)s, parameters = %(parameters)s, columns = %(columns)s,
    time_zone = %(time_zone)s, scheduled_at = %(scheduled_at)s,
    interval_seconds = %(interval_seconds)s, pause_after = %(pause_after)s, pause_seconds = %(pause_seconds)s,
    start_within_seconds = %(start_within_seconds)s, expire_at = %(expire_at)s,
    max_per_person = %(max_per_person)s, within_days = %(within_days)s,
    window_from = %(window_from)s, window_to = %(window_to)s, weekdays = %(weekdays)s,
    uses_recipient_zones = %(uses_recipient_zones)s, holidays = %(holidays)s,
    made_with = CASE WHEN recipient_count > 0 THEN made_with ELSE
        (SELECT jsonb_build_object('template', t.name || ':' || t.language, 'components', t.components,
            'parameters', %(parameters)s::jsonb)
         FROM templates t WHERE t.id = %(template_id)s) END,
    status = %(new)s::campaign_status,
    due_at = CASE WHEN NOT %(wakes)s THEN due_at END,
    enqueued_at = CASE WHEN %(should_enqueue)s THEN clock_timestamp() WHEN %(new)s <> 'scheduled' THEN enqueued_at END
WHERE id = %(campaign_id)s AND status = %(old)s::campaign_status

-- name: set_window
-- Writes the window of a campaign that is new or locked, and has not ended.
UPDATE campaigns
SET window_from = %(window_from)s, window_to = %(window_to)s, uses_recipient_zones = %(uses_recipient_zones)s
WHERE id = %(campaign_id)s AND status NOT IN ('completed', 'cancelled')

-- name: rebase_pace
-- Applies a changed interval or pause to the time of the next message. A shorter interval or pause applies at once: the
-- next message is due no later than one new interval from now. During a pause (`burst_count` is 0), the next message is
-- due no later than one new pause or one new interval from now, whichever is longer. A longer interval or pause applies
-- after the next message.
UPDATE leases l
SET next_message_at = least(l.next_message_at, clock_timestamp() + make_interval(secs =>
    CASE WHEN l.burst_count = 0 THEN greatest(c.interval_seconds, coalesce(c.pause_seconds, 0))
    ELSE c.interval_seconds END))
FROM campaigns c
WHERE l.campaign_id = %(campaign_id)s AND c.id = l.campaign_id AND l.next_message_at IS NOT NULL
    AND c.status NOT IN ('completed', 'cancelled')

-- name: replace_campaign_accounts
-- Sets the accounts of a campaign. The rows of accounts that the campaign keeps are not changed.
WITH gone AS (
    DELETE FROM campaign_accounts
    WHERE campaign_id = %(campaign_id)s AND account_id <> ALL (%(account_ids)s::bigint[])
)
INSERT INTO campaign_accounts (campaign_id, account_id)
SELECT %(campaign_id)s, unnest(%(account_ids)s::bigint[])
ON CONFLICT DO NOTHING

-- name: make_replaced_people
-- Makes a table of this transaction for the people of a draft whose list is replaced.
CREATE TEMPORARY TABLE replaced_people (recipient_key text NOT NULL) ON COMMIT DROP

-- name: note_replaced_people
INSERT INTO replaced_people SELECT recipient_key FROM messages WHERE campaign_id = %(campaign_id)s

-- name: count_kept_people
SELECT count(*) FROM replaced_people r JOIN messages m
    ON m.campaign_id = %(campaign_id)s AND m.recipient_key = r.recipient_key

-- name: delete_messages
-- Deletes the messages of a draft, which the caller has locked. No message of a draft was ever claimed, so no webhook
-- and no slice looks for these messages.
DELETE FROM messages m
WHERE m.campaign_id = %(campaign_id)s
    AND EXISTS (SELECT FROM campaigns c WHERE c.id = %(campaign_id)s AND c.status = 'draft')

-- name: delete_tallies
-- Deletes the counters of a draft that has no message any more.
DELETE FROM tallies t
WHERE t.campaign_id = %(campaign_id)s
    AND NOT EXISTS (SELECT FROM messages m WHERE m.campaign_id = %(campaign_id)s)

-- name: delete_imports
-- Deletes the import errors and the names of the files of a draft, and its audience. The caller has locked the draft.
WITH draft AS (
    SELECT id FROM campaigns WHERE id = %(campaign_id)s AND status = 'draft'
), errors AS (
    DELETE FROM import_errors WHERE campaign_id = (SELECT id FROM draft)
), audience AS (
    DELETE FROM audiences WHERE campaign_id = (SELECT id FROM draft)
)
DELETE FROM imports WHERE campaign_id = (SELECT id FROM draft)

-- name: delete_zones
-- Deletes the sets of time zones of a draft, which the caller has locked.
DELETE FROM campaign_zones z
WHERE z.campaign_id = %(campaign_id)s
    AND EXISTS (SELECT FROM campaigns c WHERE c.id = %(campaign_id)s AND c.status = 'draft')

-- name: reset_recipient_counts
UPDATE campaigns SET recipient_count = 0, duplicate_count = 0, rejected_count = 0
WHERE id = %(campaign_id)s AND status = 'draft'

-- name: lock_for_deletion
-- Waits for each transaction that adds a row which refers to the campaign, such as a test, and excludes new ones.
SELECT FROM campaigns WHERE id = %(campaign_id)s FOR UPDATE

-- name: delete_draft
DELETE FROM campaigns WHERE id = %(campaign_id)s AND status = 'draft'

-- name: list_campaigns
-- Returns campaigns for listings, the oldest first. If `campaign_ids` is NULL, returns all campaigns except tests. With
-- `coalesce`, also a generic plan reads given campaigns by their primary key.
SELECT
    c.id, c.name, c.status::text AS status, c.test_of, t.name AS template_name, t.language, t.status AS template_status,
    c.parameters, c.columns, c.scheduled_at, c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after,
    c.pause_seconds, c.window_from, c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays, c.is_standing,
    c.waiting_reason, c.due_at, c.enqueued_at, c.recipient_count, c.duplicate_count, c.rejected_count,
    c.created_at, c.started_at, c.completed_at, c.cancelled_at, clock_timestamp() AS server_now,
    coalesce(n.counts, '{}') AS counts, coalesce(n.replied_counts, '{}') AS replied_counts
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(y.status, y.count ORDER BY y.status) AS counts,
        jsonb_object_agg(y.status, y.replied_count ORDER BY y.status) FILTER (WHERE y.replied_count <> 0) AS replied_counts
    FROM tallies y WHERE y.campaign_id = c.id AND y.count <> 0
) n ON true
WHERE c.id = ANY (coalesce(%(campaign_ids)s::bigint[], ARRAY (SELECT id FROM campaigns WHERE test_of IS NULL)))
ORDER BY c.created_at, c.id

-- name: page_campaign_ids
-- Returns the ids of the newest campaigns before the key (created_at, id), without tests. `pattern`: for ILIKE on the
-- name. `made_by`: the actor who made the campaign, or copied it, by the audit. `template`: `name:language`.
--
-- Plan: for each status one scan of `campaigns_by_status`, backwards from the key, which stops after `limit` rows. With
-- the id alone as the key, a generic plan may read the primary key instead, and so all campaigns of other statuses.
-- Without a pattern, an account, an actor and a template, the query reads at most `limit` rows of each status. With one of these, it
-- reads more campaigns until the page is full; `audit_events_by_target` has the events of one campaign.
SELECT found.id
FROM unnest(%(statuses)s::campaign_status[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT c.id, c.created_at FROM campaigns c
    WHERE c.status = wanted.status AND c.test_of IS NULL
        AND (c.created_at, c.id) < (%(created_at)s::timestamptz, %(id)s::bigint)
        AND (%(pattern)s::text IS NULL OR c.name ILIKE %(pattern)s)
        AND (%(account_id)s::bigint IS NULL OR EXISTS (
            SELECT FROM campaign_accounts a WHERE a.campaign_id = c.id AND a.account_id = %(account_id)s))
        AND (%(made_by)s::text IS NULL OR EXISTS (
            SELECT FROM audit_events e
            WHERE split_part(e.what, '.', 1) = 'campaign' AND e.target_id = c.id
                AND e.what IN ('campaign.create', 'campaign.copy') AND e.actor = %(made_by)s))
        AND (%(template)s::text IS NULL OR EXISTS (
            SELECT FROM templates t WHERE t.id = c.template_id AND t.name || ':' || t.language = %(template)s))
    ORDER BY c.created_at DESC, c.id DESC
    LIMIT %(limit)s
) found
ORDER BY found.created_at DESC, found.id DESC
LIMIT %(limit)s

-- name: insert_test_campaign
-- Inserts a test of a campaign. The test starts at once. The test has the template and the accounts of the campaign,
-- but no pace and no schedule. If the campaign is being deleted, the query waits and then inserts nothing.
WITH campaign AS (
    INSERT INTO campaigns (name, status, template_id, parameters, columns, time_zone, test_of, enqueued_at)
    SELECT c.name || ' (' || %(word)s || ')', 'pending', c.template_id, c.parameters, c.columns, c.time_zone, c.id,
        clock_timestamp()
    FROM campaigns c WHERE c.id = %(campaign_id)s
    FOR KEY SHARE
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT t.id, a.account_id FROM campaign t, campaign_accounts a WHERE a.campaign_id = %(campaign_id)s
)
SELECT id FROM campaign

-- name: insert_test_messages
-- Inserts the messages of a test. Each phone gets the variables of one of the first recipients, in the order of the
-- recipients. If there are fewer recipients than phones, the variables are used again, from the first recipient on.
--
-- Plan: messages_in_order. The array and the order are deliberate, see `claim_messages`.
WITH people AS (
    SELECT variables, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count
    FROM (
        SELECT id, variables FROM messages
        WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND phone IS NOT NULL
        ORDER BY campaign_id, id
        LIMIT cardinality(%(phones)s::text[])
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

-- name: page_uncertain_ids
-- Campaigns with uncertain messages, the newest first, with ids below `before`. Tests are campaigns, too.
--
-- Plan: the index tallies_uncertain backwards, which stops after `limit` campaigns. It has no campaign that never had an
-- uncertain message.
SELECT campaign_id FROM tallies
WHERE status = 'uncertain' AND count > 0 AND campaign_id < %(before)s
ORDER BY campaign_id DESC
LIMIT %(limit)s

-- name: list_reasons
-- Groups messages of a campaign by reason: uncertain messages, failed messages, and three kinds of suppressed messages.
-- Messages of the first kind exceeded the campaign's cap per person, and those of the second kind are to people who have
-- left the audience; the query recognises them by the error title that `claim_messages` writes. Messages of the third
-- kind were skipped while an answer of the person waited for review (code -2). Returns, for each reason, the oldest and the newest time at which a message failed or was claimed, and the
-- accounts of the messages. The query runs for a person who asks. The query reads the whole campaign once, if the
-- counters show such messages.
--
-- Plan: the messages are grouped by their account, too, and then the groups. A list of different accounts in one step
-- would sort all these messages.
SELECT g.status::text AS status, g.error_code, g.error_title, sum(g.count)::bigint AS count, min(g.oldest_at) AS oldest_at,
    max(g.newest_at) AS newest_at, min(g.first_message_id) AS first_message_id,
    coalesce(array_agg(g.account_id ORDER BY g.account_id) FILTER (WHERE g.account_id IS NOT NULL), '{}') AS account_ids
FROM (
    SELECT m.status, m.error_code, m.error_title, m.account_id, count(*) AS count,
        min(coalesce(m.failed_at, m.claimed_at)) AS oldest_at, max(coalesce(m.failed_at, m.claimed_at)) AS newest_at,
        min(m.id) AS first_message_id
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.status IN ('uncertain', 'failed')
            OR (m.status = 'suppressed'
                AND (m.error_code = -2 OR m.error_title IN (
                    'the person had as many messages as the campaign allows',
                    'the person no longer belongs to the audience'))))
        AND EXISTS (
            SELECT FROM tallies t
            WHERE t.campaign_id = %(campaign_id)s AND t.status IN ('uncertain', 'failed', 'suppressed') AND t.count > 0
        )
    GROUP BY m.status, m.error_code, m.error_title, m.account_id
) g
GROUP BY g.status, g.error_code, g.error_title
ORDER BY g.status DESC, sum(g.count) DESC, g.error_code

-- name: list_prices
-- Counts the messages of a campaign by the pricing that Meta reports. The query runs for a command of an operator and
-- reads the whole campaign once.
SELECT m.pricing_category AS category, m.pricing_model AS model, m.is_billable, count(*) AS count
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND num_nonnulls(m.pricing_category, m.pricing_model, m.is_billable) > 0
GROUP BY m.pricing_category, m.pricing_model, m.is_billable
ORDER BY count(*) DESC, m.pricing_category, m.pricing_model, m.is_billable

-- name: find_sending_times
-- When Meta accepted the first message of a campaign, the one in the middle, and the last one. The query runs for a page
-- that a person opens, and reads the whole campaign once.
SELECT count(*) AS count, min(m.sent_at) AS first_at,
    percentile_disc(0.5) WITHIN GROUP (ORDER BY m.sent_at) AS half_at, max(m.sent_at) AS last_at
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.sent_at IS NOT NULL
HAVING count(*) > 0

-- name: count_optouts_after
-- The number of people who have opted out at most `days` days after they were sent a message of a campaign, and have not
-- changed their mind. Opt-outs that operators entered do not count. NULL: the people of the campaign are erased. The query
-- runs as `find_sending_times` does. Plan: for few messages, the primary key of `suppressions` once per message; for many,
-- a hash of all suppressions.
SELECT CASE WHEN c.erased_at IS NULL THEN (
    SELECT count(*)
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s AND m.sent_at IS NOT NULL AND EXISTS (
        SELECT FROM suppressions s
        WHERE s.recipient_key = m.recipient_key AND s.is_active AND s.source IN ('word', 'button', 'meta')
            AND s.at >= m.sent_at AND s.at < m.sent_at + make_interval(days => %(days)s))
) END
FROM campaigns c
WHERE c.id = %(campaign_id)s

-- name: find_template_id
SELECT template_id FROM campaigns WHERE id = %(campaign_id)s

-- name: list_pending_after
-- Pending messages of a campaign with an id above `id`, in the order of the list, without those of people who have opted
-- out. `capped`: the ids of further messages that are omitted.
--
-- Plan: messages_in_order from `id` on. The array and the order are deliberate, see `claim_messages`.
SELECT id, phone, variables FROM messages m
WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND status = 'pending' AND id > %(id)s
    AND id <> ALL (%(capped)s::bigint[])
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
ORDER BY campaign_id, id
LIMIT %(limit)s

-- name: list_pending_before
-- Pending messages of a campaign with an id below `id`, the last first. The same messages are omitted as in
-- `list_pending_after`. Plan: messages_in_order, backwards from `id` on.
SELECT id, phone, variables FROM messages m
WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND status = 'pending' AND id < %(id)s
    AND id <> ALL (%(capped)s::bigint[])
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
ORDER BY campaign_id DESC, id DESC
LIMIT %(limit)s

-- name: list_pending_counts
-- The number of pending messages, and of those to people who have opted out, by the first four digits of the phones, which
-- tell the country. Plan: for few messages, the primary key of `suppressions` once per message; for many, a hash of all
-- suppressions.
SELECT substr(m.phone, 2, 4) AS prefix, count(*) AS count, count(*) FILTER (
    WHERE EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)) AS suppressed_count
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
GROUP BY 1

-- name: list_capped
-- The ids of the pending messages to people who had as many messages of other campaigns as the limit per person of the
-- campaign will allow at the time `at`, by the rule of `claim_messages`. People who have opted out are omitted.
--
-- Plan: a hash of this campaign's recipients, and one pass over the messages of the recent campaigns.
WITH recent AS (
    SELECT o.id FROM campaigns c JOIN campaigns o
        ON o.id <> c.id AND o.started_at IS NOT NULL
        AND coalesce(o.completed_at, o.cancelled_at, 'infinity') > %(at)s::timestamptz - make_interval(days => c.within_days)
    WHERE c.id = %(campaign_id)s AND c.max_per_person IS NOT NULL
)
SELECT m.id
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id AND m.status = 'pending'
JOIN messages o USING (recipient_key)
WHERE c.id = %(campaign_id)s AND o.campaign_id = ANY (ARRAY (SELECT id FROM recent))
    AND o.status >= 'sending' AND o.status <> 'failed'
    AND o.claimed_at > %(at)s::timestamptz - make_interval(days => c.within_days)
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
GROUP BY m.id, c.max_per_person
HAVING count(*) >= c.max_per_person

-- name: load_counters
SELECT status::text, count FROM tallies WHERE campaign_id = %(campaign_id)s
