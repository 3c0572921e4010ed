-- name: insert_events
-- Stores bodies. If a forward is enabled, stores copies of them for it. Without forwards, this reads one empty table.
WITH copies AS (
    INSERT INTO forward_inbox (body)
    SELECT unnest(%(bodies)s::bytea[]) WHERE EXISTS (SELECT FROM forwards WHERE disabled_at IS NULL)
)
INSERT INTO webhook_events (body) SELECT unnest(%(bodies)s::bytea[])

-- name: insert_pieces
INSERT INTO webhook_events (received_at, body)
SELECT p.received_at, p.body
FROM unnest(%(times)s::timestamptz[], %(bodies)s::bytea[]) AS p (received_at, body)

-- name: find_newest_event_id
SELECT coalesce(max(id), 0) FROM webhook_events WHERE status = 'stored'

-- name: limit_take
-- A process that is frozen inside a take holds the lock of all takes. Other processes wait for the lock for at most 3 s,
-- and Postgres ends the transaction of the frozen process after 10 s. `idle_in_transaction_session_timeout` would never
-- end it, because psycopg sends a Flush after a pipeline, which stops this timeout.
SELECT set_config('lock_timeout', '3s', true), set_config('transaction_timeout', '10s', true)

-- name: lock_takes
-- Only one transaction at a time takes bodies, so that each sees the takes of the others. A transaction that waits in a
-- SELECT for an advisory lock has a snapshot, which keeps old versions of messages alive. LOCK TABLE needs no snapshot.
LOCK TABLE webhook_takes IN SHARE UPDATE EXCLUSIVE MODE

-- name: end_takes
-- Deletes the take `done_id`, whose bodies are all applied, and the takes whose time is over. Bodies that are left of a
-- take whose time is over have had an attempt, unless the take does not count.
WITH ended AS (
    DELETE FROM webhook_takes WHERE id = %(done_id)s OR until <= clock_timestamp()
    RETURNING event_ids, counts AND id IS DISTINCT FROM %(done_id)s AS counts
)
UPDATE webhook_events SET attempts = attempts + 1
WHERE id = ANY (ARRAY(SELECT unnest(event_ids) FROM ended WHERE counts)) AND status = 'stored'

-- name: take_events
-- Takes due webhook bodies, oldest first: at most `limit` bodies, and no more after a total size of `max_bytes`. Bodies
-- that were due before `since` are left out, because the index still has entries for the bodies that this task has just
-- applied and deleted, and a scan of these entries takes longer with each take.
-- The attempt is committed before the bodies are parsed, and the bodies are not due again for `retry_seconds`. So the
-- attempts reveal a body that kills its worker. A body whose first attempt was not finished is taken alone, so that its
-- failure does not count as an attempt of other bodies. Unmatched bodies are tried again after intervals that double
-- from attempt to attempt, up to 6 hours.
--
-- The first attempts of all new bodies are one row in `webhook_takes` (docs/decisions/0123). Later attempts are counted
-- in the rows of the bodies. The caller holds the lock of `lock_takes`.
--
-- Plan: the index webhook_events_due once, then the primary key once per body. Nothing is sorted: the due bodies come in
-- the order of the index, and the sizes are added up in that order. The due bodies are read without their content,
-- because that is faster. The arrays are deliberate: a generic plan does not know the LIMIT, assumes a tenth of the
-- table, and would join the due bodies to a scan of all bodies.
WITH due AS (
    SELECT id, next_try_at, octet_length(body) AS size,
        status = 'stored' AND attempts = 0 AS is_new, status = 'stored' AND attempts > 0 AS is_suspect
    FROM webhook_events
    WHERE status <> 'set_aside' AND next_try_at >= coalesce(%(since)s::timestamptz, '-infinity')
        AND next_try_at <= clock_timestamp() AND id NOT IN (SELECT unnest(event_ids) FROM webhook_takes)
    ORDER BY next_try_at, id
    LIMIT %(limit)s
), fitting AS (
    SELECT id, is_new FROM (
        SELECT due.*, sum(size) OVER (ORDER BY next_try_at, id ROWS UNBOUNDED PRECEDING) - size AS before,
            (SELECT min(id) FROM due WHERE is_suspect) AS suspect_id
        FROM due
    ) sized
    WHERE CASE WHEN suspect_id IS NULL THEN before < %(max_bytes)s ELSE id = suspect_id END
), taken AS (
    INSERT INTO webhook_takes (event_ids, until)
    SELECT array_agg(id), clock_timestamp() + make_interval(secs => %(retry_seconds)s)
    FROM fitting WHERE is_new
    HAVING count(*) > 0
    RETURNING id
), retried AS (
    UPDATE webhook_events e
    SET attempts = e.attempts + 1,
        next_try_at = clock_timestamp() + make_interval(
            secs => least(21600, %(retry_seconds)s * 2 ^ least(e.attempts, 20)))
    WHERE e.id = ANY (ARRAY(SELECT id FROM fitting WHERE NOT is_new))
    RETURNING e.id, e.status, e.attempts, e.received_at, e.body
)
SELECT e.id, e.status, 1 AS attempts, e.received_at, e.body, (SELECT id FROM taken) AS take_id
FROM webhook_events e WHERE e.id = ANY (ARRAY(SELECT id FROM fitting WHERE is_new))
UNION ALL
SELECT r.id, r.status, r.attempts, r.received_at, r.body, NULL FROM retried r

-- name: give_back_take
UPDATE webhook_takes SET counts = false WHERE id = %(take_id)s

-- name: give_back_events
-- Subtracts 1 from the attempts of bodies that were not applied. A body that another task has taken since is not
-- changed.
UPDATE webhook_events e SET attempts = e.attempts - 1
FROM unnest(%(ids)s::bigint[], %(attempts)s::int[]) AS taken (id, attempts)
WHERE e.id = taken.id AND e.attempts = taken.attempts AND e.status = 'stored'

-- name: defer_events
-- Stores the parts of webhooks that could not be applied: unmatched evidence is tried again later, and parts with the
-- status `set_aside` are dead letters for an operator.
INSERT INTO webhook_events (status, reason, received_at, body, next_try_at, expires_at)
SELECT p.status, p.reason, p.received_at, p.body, clock_timestamp() + make_interval(secs => %(retry_seconds)s),
    clock_timestamp() + make_interval(secs => %(keep_seconds)s)
FROM unnest(%(statuses)s::text[], %(reasons)s::text[], %(times)s::timestamptz[], %(bodies)s::bytea[])
    AS p (status, reason, received_at, body)

-- name: dead_letter_event
UPDATE webhook_events SET status = 'set_aside', reason = %(reason)s,
    expires_at = clock_timestamp() + make_interval(secs => %(keep_seconds)s)
WHERE id = %(event_id)s

-- name: delete_events
DELETE FROM webhook_events WHERE id = ANY (%(ids)s::bigint[])

-- name: expire_events
-- Deletes unmatched evidence and dead letters whose `expires_at` has passed.
DELETE FROM webhook_events WHERE expires_at <= clock_timestamp() RETURNING status

-- name: find_messages
-- Evidence names a message by our id or by its wamid. Returns these messages, with the columns that the checks of the
-- evidence need.
--
-- Plan: one scan of the primary key, and one scan of the hash index on the wamid. A message that both find is returned
-- twice.
SELECT m.id, m.wamid, m.send_no, m.attempts, m.status::text, m.campaign_id, m.account_id, m.refused_by,
    m.recipient_key, a.phone_number_id, a.waba_id, m.claimed_at >= a.activated_at AS is_since_activation,
    m.claimed_at <= c.recovered_at AS is_recovered
FROM (
    SELECT * FROM messages WHERE id = ANY (%(ids)s::bigint[])
    UNION ALL
    SELECT * FROM messages WHERE wamid = ANY (%(wamids)s::text[])
) m
JOIN campaigns c ON c.id = m.campaign_id
LEFT JOIN accounts a ON a.id = m.account_id

-- name: find_replied
-- Finds the message that each reply answers: docs/decisions/0052. A reply that quotes a wamid answers the message with
-- that wamid. Postgres does not know the wamid of a message whose request has no result yet. So a reply that quotes an
-- unknown wamid answers the person's newest message without a wamid. A reply that quotes nothing answers the person's
-- newest message, whether or not the message has a wamid. In the last two cases a message counts only if the phone
-- number that received the reply sent the message, at most `answer_seconds` before the reply. Meta's times are whole
-- seconds of another clock, so a message also counts if it was sent up to `skew_seconds` after the reply.
--
-- Plan: the hash index on the wamid once per quoted message. For the person's newest message: campaigns_by_end once,
-- then one_message_per_person once per reply and campaign. For a reply that quotes nothing, these are the campaigns
-- that ran in the `answer_seconds` before this reply, however old the other replies of the set are. For an unknown
-- wamid, these are only the campaigns among them that have a message without a result (the counters of the campaign
-- show it). OFFSET 0 is deliberate: without it a plan may search the index by the person alone, through all campaigns.
WITH told AS MATERIALIZED (
    SELECT t.n, t.wamid, t.said_at, t.recipient_keys::text[] AS recipient_keys, a.id AS account_id
    FROM unnest(
        %(wamids)s::text[], %(recipient_keys)s::text[], %(phone_number_ids)s::text[], %(said_at)s::timestamptz[]
    ) WITH ORDINALITY AS t (wamid, recipient_keys, phone_number_id, said_at, n)
    LEFT JOIN accounts a ON a.phone_number_id = t.phone_number_id
), recent AS MATERIALIZED (
    SELECT c.id, coalesce(c.completed_at, c.cancelled_at, 'infinity'::timestamptz) AS ended_at,
        EXISTS (SELECT FROM told WHERE wamid <> '') AND EXISTS (
            SELECT FROM tallies k WHERE k.campaign_id = c.id AND k.status IN ('sending', 'uncertain') AND k.count > 0
        ) AS has_unknown_wamid
    FROM campaigns c
    WHERE c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity'::timestamptz)
            >= (SELECT min(said_at) FROM told) - make_interval(secs => %(answer_seconds)s)
)
SELECT t.n - 1, coalesce(quoted.id, newest.id)
FROM told t
LEFT JOIN LATERAL (
    SELECT m.id FROM messages m WHERE m.wamid = t.wamid LIMIT 1
) quoted ON true
LEFT JOIN LATERAL (
    SELECT m.id
    FROM unnest(t.recipient_keys) AS key
    CROSS JOIN recent c
    CROSS JOIN LATERAL (
        SELECT o.id, o.wamid, o.account_id, o.status, o.claimed_at
        FROM messages o WHERE o.campaign_id = c.id AND o.recipient_key = key
        OFFSET 0
    ) m
    WHERE quoted.id IS NULL AND c.ended_at >= t.said_at - make_interval(secs => %(answer_seconds)s)
        AND (t.wamid = '' OR c.has_unknown_wamid) AND (t.wamid = '' OR m.wamid IS NULL)
        AND m.account_id = t.account_id
        AND m.status >= 'sending' AND m.status <> 'failed'
        AND m.claimed_at BETWEEN t.said_at - make_interval(secs => %(answer_seconds)s)
            AND t.said_at + make_interval(secs => %(skew_seconds)s)
    ORDER BY m.claimed_at DESC, m.id DESC
    LIMIT 1
) newest ON true
WHERE coalesce(quoted.id, newest.id) IS NOT NULL
ORDER BY t.n

-- name: mark_replied
-- Writes when the person first replied to each message. Of several replies, the earliest time is kept, in whatever
-- order the replies arrive.
--
-- Plan: the primary key once per message. No index contains the column, so the update can be a HOT update.
UPDATE messages m
SET replied_at = r.said_at
FROM unnest(%(ids)s::bigint[], %(said_at)s::timestamptz[]) AS r (id, said_at)
WHERE m.id = r.id AND (m.replied_at IS NULL OR m.replied_at > r.said_at)
RETURNING m.id

-- name: find_usable_accounts
-- The accounts that may send for campaigns: active accounts that are not deactivated for the template's category.
SELECT ca.campaign_id, ca.account_id
FROM campaign_accounts ca
JOIN accounts a ON a.id = ca.account_id
JOIN campaign_categories g ON g.campaign_id = ca.campaign_id AND g.account_id = ca.account_id
LEFT JOIN account_categories k ON k.account_id = ca.account_id AND k.category = g.category
WHERE ca.campaign_id = ANY (%(campaign_ids)s) AND a.active AND k.inactive_since IS NULL

-- name: write_template_status
-- Meta reports the status of a template by webhook. Writes this status to the template of the WABA. A template that an
-- operator added for every WABA is written only if it stands for no other WABA: each other WABA of our accounts has a
-- template of this name. An event that is older than the last event changes nothing.
UPDATE templates
SET status = %(status)s, status_at = coalesce(%(at)s, clock_timestamp()),
    blocked_until = CASE WHEN %(status)s <> 'approved'
        THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END
WHERE name = %(name)s AND language = %(language)s
    AND (waba_id = %(waba_id)s OR (waba_id = '' AND NOT EXISTS (
        SELECT FROM accounts a
        WHERE a.waba_id <> %(waba_id)s AND NOT EXISTS (
            SELECT FROM templates own
            WHERE own.name = %(name)s AND own.language = %(language)s AND own.waba_id = a.waba_id))))
    AND (%(at)s::timestamptz IS NULL OR status_at <= %(at)s)
RETURNING id, old.status

-- name: write_template_details
-- Writes the quality or the category that Meta reports by webhook for a template. NULL means that the webhook does not
-- report the value. An event that is older than the last event about the same value changes nothing. A template for
-- every WABA is written under the condition of write_template_status.
UPDATE templates t
SET quality = CASE WHEN s.has_quality THEN %(quality)s ELSE t.quality END,
    quality_at = CASE WHEN s.has_quality THEN s.at ELSE t.quality_at END,
    category = CASE WHEN s.has_category THEN %(category)s ELSE t.category END,
    category_at = CASE WHEN s.has_category THEN s.at ELSE t.category_at END
FROM (
    SELECT id, at, %(quality)s::text IS NOT NULL AND quality_at <= at AS has_quality,
        %(category)s::text IS NOT NULL AND category_at <= at AS has_category
    FROM templates, coalesce(%(at)s::timestamptz, clock_timestamp()) AS at
    WHERE name = %(name)s AND language = %(language)s
        AND (waba_id = %(waba_id)s OR (waba_id = '' AND NOT EXISTS (
            SELECT FROM accounts a
            WHERE a.waba_id <> %(waba_id)s AND NOT EXISTS (
                SELECT FROM templates own
                WHERE own.name = %(name)s AND own.language = %(language)s AND own.waba_id = a.waba_id))))
    FOR NO KEY UPDATE OF templates
) s
WHERE t.id = s.id AND (s.has_quality OR s.has_category)
RETURNING t.id, old.quality AS old_quality, t.quality, old.category AS old_category, t.category

-- name: write_template_body
-- After an edit of a template, Meta reports the text of the body by webhook. Writes this text to the template. The
-- other components stay as they are until the next synchronisation. A report that is older than the last report about
-- the text changes nothing. A report of the same text is written too, because its time rules out older reports. A
-- template for every WABA is written under the condition of write_template_status. Returns the templates whose text has
-- changed.
WITH written AS (
    UPDATE templates t
    SET components = (
            SELECT jsonb_agg(
                CASE WHEN part ->> 'type' = 'BODY' THEN part || jsonb_build_object('text', %(body)s::text) ELSE part END
                ORDER BY number)
            FROM jsonb_array_elements(t.components) WITH ORDINALITY AS each (part, number)),
        components_at = coalesce(%(at)s, clock_timestamp())
    WHERE t.name = %(name)s AND t.language = %(language)s
        AND (t.waba_id = %(waba_id)s OR (t.waba_id = '' AND NOT EXISTS (
            SELECT FROM accounts a
            WHERE a.waba_id <> %(waba_id)s AND NOT EXISTS (
                SELECT FROM templates own
                WHERE own.name = %(name)s AND own.language = %(language)s AND own.waba_id = a.waba_id))))
        AND (%(at)s::timestamptz IS NULL OR t.components_at <= %(at)s)
        AND t.components @> '[{"type": "BODY"}]'
    RETURNING t.id, old.components AS old_components, t.components
)
SELECT id, old_components, components FROM written WHERE old_components <> components

-- name: find_template_campaigns
-- Unfinished campaigns that send a template by an account of a WABA.
SELECT c.id
FROM campaigns c
JOIN templates t ON t.id = c.template_id
WHERE t.name = %(name)s AND t.language = %(language)s AND c.status NOT IN ('completed', 'cancelled')
    AND EXISTS (
        SELECT FROM campaign_accounts ca
        JOIN accounts a ON a.id = ca.account_id
        WHERE ca.campaign_id = c.id AND a.waba_id = %(waba_id)s)
ORDER BY c.id

-- name: wake_template_campaigns
-- Ends the wait of campaigns that wait for one of these templates, and marks the campaigns as enqueued; the caller
-- publishes the tasks. A campaign may send by accounts of several WABAs, so the wait ends for each campaign whose
-- template has the same name and language.
UPDATE campaigns
SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE status = 'running' AND waiting_reason = 'template' AND template_id IN (
    SELECT same.id FROM templates t JOIN templates same ON same.name = t.name AND same.language = t.language
    WHERE t.id = ANY (%(template_ids)s))
RETURNING id

-- name: add_reported_events
-- Adds an event about a number, or about a WABA, to every account that the event concerns.
INSERT INTO account_events (account_id, kind, details)
SELECT a.id, 'reported', %(details)s
FROM accounts a
WHERE a.phone_number_id = %(phone_number_id)s OR (%(phone_number_id)s = '' AND a.waba_id = %(waba_id)s)
RETURNING account_id

-- name: count_unapplied
SELECT count(*) FROM webhook_events WHERE status = 'stored' AND id <= %(newest_id)s
