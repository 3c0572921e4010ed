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
