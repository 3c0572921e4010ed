-- name: write_suppressions
-- Writes opt-outs and their ends; the newest event of each source wins. If two events have the same time, the opt-out
-- wins. So the rows do not depend on the order in which events arrive, or on repeated events. Returns the changed rows,
-- and whether the source had suppressed the person before.
INSERT INTO suppressions AS s (recipient_key, source, is_active, at, detail)
SELECT DISTINCT ON (e.recipient_key, e.source) e.recipient_key, e.source, e.is_active,
    coalesce(e.at, statement_timestamp()), e.detail
FROM unnest(
    %(recipient_keys)s::text[], %(sources)s::text[], %(are_active)s::bool[], %(at)s::timestamptz[], %(details)s::text[]
) AS e (recipient_key, source, is_active, at, detail)
ORDER BY e.recipient_key, e.source, coalesce(e.at, statement_timestamp()) DESC, e.is_active DESC, coalesce(e.detail, '') COLLATE "C" DESC
ON CONFLICT (recipient_key, source) DO UPDATE
SET is_active = excluded.is_active, at = excluded.at, detail = excluded.detail
WHERE (excluded.at, excluded.is_active, coalesce(excluded.detail, '') COLLATE "C")
    > (s.at, s.is_active, coalesce(s.detail, '') COLLATE "C")
RETURNING new.recipient_key, new.source, new.is_active, coalesce(old.is_active, false)

-- name: find_recipient_keys
-- The recipients of messages, without erased recipients.
SELECT id, recipient_key FROM messages WHERE id = ANY (%(message_ids)s::bigint[]) AND recipient_key IS NOT NULL

-- name: lift_suppressions
-- Ends the suppressions of people who have an active row, by the decision of an operator. Writes a row for every
-- source, also for sources without an event, so that an older event that arrives later does not suppress the person
-- again. A suppression whose time is in the future ends too.
INSERT INTO suppressions AS s (recipient_key, source, is_active, at, detail)
SELECT k.recipient_key, o.source, false, clock_timestamp(), 'removed'
FROM unnest(%(recipient_keys)s::text[]) AS k (recipient_key)
CROSS JOIN unnest(%(sources)s::text[]) AS o (source)
WHERE EXISTS (SELECT FROM suppressions a WHERE a.recipient_key = k.recipient_key AND a.is_active)
ORDER BY k.recipient_key, o.source
ON CONFLICT (recipient_key, source) DO UPDATE
SET is_active = false, at = greatest(excluded.at, s.at + interval '1 microsecond'), detail = excluded.detail
RETURNING new.recipient_key

-- name: list_suppressions
-- Active suppressions, the newest first. If `source` is NULL, all sources are listed. A row under a user id is listed
-- only if no number of the person is known.
SELECT s.recipient_key, s.source, s.at, s.detail
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))
ORDER BY s.at DESC, s.recipient_key, s.source

-- name: page_suppressions
-- Active suppressions of these sources before the key (at, recipient_key, source), the newest first. `recipient_key`
-- and `source` break ties of `at`. A row under a user id is listed only if no number of the person is known.
--
-- Plan: for each source one scan of `suppressions_by_time`, backwards, which stops after `limit` rows.
SELECT found.recipient_key, found.source, found.at, found.detail
FROM unnest(%(sources)s::text[]) AS wanted (source)
CROSS JOIN LATERAL (
    SELECT s.recipient_key, s.source, s.at, s.detail FROM suppressions s
    WHERE s.is_active AND s.source = wanted.source AND s.at <= %(at)s::timestamptz
        AND (s.at, s.recipient_key, s.source) < (%(at)s::timestamptz, %(recipient_key)s::text, %(source)s::text)
        AND (%(pattern)s::text IS NULL OR s.recipient_key LIKE %(pattern)s)
        AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))
    ORDER BY s.at DESC, s.recipient_key DESC
    LIMIT %(limit)s
) found
ORDER BY found.at DESC, found.recipient_key DESC, found.source DESC
LIMIT %(limit)s

-- name: count_suppressions
-- The number of rows of `list_suppressions`.
SELECT count(*)
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))

-- name: open_reviews
-- Opens one review for each answer that may be an opt-out. A repeated webhook opens no second review. There is no
-- review for a person who has opted out already, by a word or a button.
INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id, message_id)
SELECT a.recipient_key, a.answer, a.source, a.detail, a.text, a.said_at, a.phone_number_id, a.message_id
FROM unnest(
    %(recipient_keys)s::text[], %(answers)s::bytea[], %(sources)s::text[], %(details)s::text[], %(texts)s::text[],
    %(said_at)s::timestamptz[], %(phone_number_ids)s::text[], %(message_ids)s::bigint[]
) AS a (recipient_key, answer, source, detail, text, said_at, phone_number_id, message_id)
WHERE NOT EXISTS (
    SELECT FROM suppressions s
    WHERE s.recipient_key = a.recipient_key AND s.source IN ('word', 'button') AND s.is_active
)
ORDER BY a.answer
ON CONFLICT (answer) DO NOTHING
RETURNING id, recipient_key

-- name: move_reviews
-- Updates `recipient_key` of undecided reviews, after the phone number of their author became known or has changed.
UPDATE optout_reviews r SET recipient_key = m.new
FROM unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE r.recipient_key = m.old AND r.decided_at IS NULL

-- name: decide_reviews
-- Decides all undecided answers of these people and erases their texts. A second decision finds no row.
UPDATE optout_reviews SET decided_at = clock_timestamp(), decision = %(decision)s, text = ''
WHERE recipient_key = ANY (%(recipient_keys)s::text[]) AND decided_at IS NULL
RETURNING id, recipient_key, source, said_at, detail, opened_at

-- name: count_overdue_answers
-- The number of answers whose text `erase_overdue_answers` would erase now.
SELECT count(*)
FROM optout_reviews
WHERE decided_at IS NULL AND text <> '' AND said_at < clock_timestamp() - make_interval(days => %(days)s)

-- name: erase_overdue_answers
-- Erases the texts of answers that nobody has decided about for too long. The reviews stay open, so their authors still
-- get no marketing.
--
-- Plan: the table is read whole. It has one row per answer that may be an opt-out, and the statement runs once an hour.
UPDATE optout_reviews SET text = ''
WHERE decided_at IS NULL AND text <> '' AND said_at < clock_timestamp() - make_interval(days => %(days)s)

-- name: list_reviews
-- One row for each person whose answers wait for a decision, with all these answers. The id is that of the newest answer,
-- so a decision by this id can be refused if a newer answer has come. The person with the oldest answer comes first.
SELECT max(r.id) AS id, r.recipient_key, coalesce(string_agg(nullif(r.text, ''), E'\n' ORDER BY r.said_at, r.id), '') AS text,
    min(r.said_at) AS first_said_at, max(r.said_at) AS said_at, count(*) AS answer_count,
    (array_agg(coalesce(a.name, r.phone_number_id) ORDER BY r.said_at DESC, r.id DESC))[1] AS account,
    (array_agg(m.campaign_id ORDER BY r.said_at DESC, r.id DESC) FILTER (WHERE m.id IS NOT NULL))[1] AS campaign_id
FROM optout_reviews r
LEFT JOIN accounts a ON a.phone_number_id = r.phone_number_id
LEFT JOIN messages m ON m.id = r.message_id
WHERE r.decided_at IS NULL
GROUP BY r.recipient_key
ORDER BY min(r.id)

-- name: report_reviews
-- If an alert is due, returns the number of people whose answers wait for a decision, and the time since which the
-- oldest answer waits. An alert is due when the first answer waits, and then once a day while answers wait.
WITH waiting AS (
    SELECT count(DISTINCT recipient_key) AS count, min(opened_at) AS oldest_at FROM optout_reviews WHERE decided_at IS NULL
), told AS (
    UPDATE installation i SET reviews_told_at = CASE WHEN w.count > 0 THEN clock_timestamp() END
    FROM waiting w
    WHERE CASE WHEN w.count > 0 THEN i.reviews_told_at IS NULL OR i.reviews_told_at < clock_timestamp() - interval '1 day'
        ELSE i.reviews_told_at IS NOT NULL END
    RETURNING w.count, w.oldest_at
)
SELECT count, oldest_at FROM told WHERE count > 0

-- name: lock_campaigns_to
-- Locks unfinished campaigns with a message to one of these people, so that no campaign completes or is cancelled
-- before this transaction has made messages pending again.
SELECT c.id FROM campaigns c
WHERE c.status IN ('pending', 'scheduled', 'running', 'paused')
    AND EXISTS (
        SELECT FROM messages m WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    )
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: restore_skipped_for_review
-- Makes messages pending again that claims skipped because an answer waited for review (code -2), in campaigns that the
-- caller has locked. Messages to people who have opted out in the meantime stay skipped. A message with an uncertain
-- send does not get this code, so no restored message has reached its recipient. Claims find these messages by
-- `not_before`, not by the cursor.
UPDATE messages m
SET status = 'pending', not_before = clock_timestamp(), error_code = NULL, error_title = NULL
WHERE m.campaign_id = ANY (%(campaign_ids)s::bigint[]) AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2 AND m.doubted IS NULL
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
RETURNING m.id, m.campaign_id

-- name: wake_restored
-- Makes running campaigns with restored messages due now, whatever they wait for.
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE c.id = ANY (%(campaign_ids)s::bigint[]) AND c.status = 'running'
RETURNING c.id

-- name: count_skipped_for_review
-- The number of messages to these people that were skipped because an answer waited for review, in campaigns that ended
-- after `since`.
SELECT count(*)
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
WHERE c.status IN ('completed', 'cancelled') AND coalesce(c.completed_at, c.cancelled_at) >= %(since)s
    AND m.status = 'suppressed' AND m.error_code = -2

-- name: clear_review_reason
-- Clears the reason of messages that were skipped because an answer waited for review. The messages stay skipped,
-- because the answer was an opt-out, or because `suppress remove` dismissed the answer.
UPDATE messages m SET error_code = NULL, error_title = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2

-- name: add_stop_replies
-- Adds confirmations, except for opt-outs that are older than a day, because Meta would not accept free text any more.
INSERT INTO stop_replies (phone_number_id, phone, received_at)
SELECT r.phone_number_id, r.phone, r.received_at
FROM unnest(%(phone_number_ids)s::text[], %(phones)s::text[], %(received_at)s::timestamptz[])
    AS r (phone_number_id, phone, received_at)
WHERE r.received_at > clock_timestamp() - interval '1 day'

-- name: take_stop_reply
-- Deletes the oldest confirmation and returns it with the active account that has the sending number, if there is such
-- an account.
WITH taken AS (
    DELETE FROM stop_replies WHERE id = (SELECT id FROM stop_replies ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT t.id, t.phone_number_id, t.phone, t.received_at > clock_timestamp() - interval '1 day', a.id, a.token
FROM taken t
LEFT JOIN accounts a ON a.phone_number_id = t.phone_number_id AND a.active

-- name: find_suppressed
SELECT DISTINCT recipient_key FROM suppressions WHERE recipient_key = ANY (%(recipient_keys)s) AND is_active

-- name: find_suppression_events
SELECT recipient_key, source, is_active, at, detail
FROM suppressions
WHERE recipient_key = ANY (%(recipient_keys)s)
ORDER BY recipient_key, source

-- name: find_answered_messages
SELECT wamid, id, phone FROM messages WHERE wamid = ANY (%(wamids)s) AND phone IS NOT NULL

-- name: find_reviews
SELECT id, recipient_key, decision, decided_at FROM optout_reviews WHERE id = ANY (%(review_ids)s)

-- name: has_open_review
SELECT EXISTS (
    SELECT FROM optout_reviews WHERE recipient_key = ANY (%(recipient_keys)s::text[]) AND decided_at IS NULL
)

-- name: count_restorable
-- The people who wrote these undecided answers, and their messages that `restore_skipped_for_review` would restore.
WITH authors AS (
    SELECT DISTINCT recipient_key FROM optout_reviews WHERE id = ANY (%(review_ids)s::bigint[]) AND decided_at IS NULL
)
SELECT (SELECT count(*) FROM authors), (
    SELECT count(*)
    FROM campaigns c
    JOIN messages m ON m.campaign_id = c.id
    WHERE c.status IN ('pending', 'scheduled', 'running', 'paused')
        AND m.recipient_key = ANY (ARRAY (SELECT recipient_key FROM authors))
        AND m.status = 'suppressed' AND m.error_code = -2 AND m.doubted IS NULL
        AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
)

-- name: count_reviews
SELECT count(DISTINCT recipient_key),
    coalesce(extract(epoch FROM clock_timestamp() - min(opened_at)), 0)::float8
FROM optout_reviews
WHERE decided_at IS NULL

-- name: find_answered_campaigns
-- For opt-outs that people wrote to us: the campaign whose message the person answered. The message whose first reply has
-- the time of the opt-out comes before others, then the newest message that was claimed at most `answer_seconds` before
-- the opt-out, as in `find_replied`. An opt-out that answers an older message has no row.
--
-- Plan: campaigns_by_end once, then one_message_per_person once per opt-out and campaign that ran in the
-- `answer_seconds` before the opt-out. OFFSET 0 is deliberate, see `find_replied`.
WITH told AS MATERIALIZED (
    SELECT * FROM unnest(%(recipient_keys)s::text[], %(said_at)s::timestamptz[]) AS t (recipient_key, said_at)
), recent AS MATERIALIZED (
    SELECT c.id, c.name, coalesce(c.completed_at, c.cancelled_at, 'infinity'::timestamptz) AS ended_at
    FROM campaigns c
    WHERE c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity'::timestamptz)
            >= (SELECT min(said_at) FROM told) - make_interval(secs => %(answer_seconds)s)
)
SELECT t.recipient_key, t.said_at, answered.id, answered.name
FROM told t
CROSS JOIN LATERAL (
    SELECT c.id, c.name
    FROM recent c
    CROSS JOIN LATERAL (
        SELECT o.replied_at, o.claimed_at, o.status, o.id
        FROM messages o WHERE o.campaign_id = c.id AND o.recipient_key = t.recipient_key
        OFFSET 0
    ) m
    WHERE c.ended_at >= t.said_at - make_interval(secs => %(answer_seconds)s)
        AND m.status >= 'sending' AND m.status <> 'failed'
        AND m.claimed_at BETWEEN t.said_at - make_interval(secs => %(answer_seconds)s)
            AND t.said_at + make_interval(secs => %(skew_seconds)s)
    ORDER BY (m.replied_at = t.said_at) DESC NULLS LAST, m.claimed_at DESC, m.id DESC
    LIMIT 1
) answered
