-- name: write_suppressions
-- What is known of who must not be messaged, the newest event of each source. At the same time an opt-out is stronger
-- than its end, so any order and any number of copies ends in the same rows. Returns what changed, and whether that
-- source had suppressed the person before.
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
-- Whose messages these are. Erased ones are nobody's.
SELECT id, recipient_key FROM messages WHERE id = ANY (%(message_ids)s::bigint[]) AND recipient_key IS NOT NULL

-- name: lift_suppressions
-- A person's word, for people who have an active row: every source is lifted, also those that have said nothing yet, so
-- that no event from before suppresses again. An event of the future is lifted too.
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
-- Active suppressions, the newest first; `source` NULL: of every source. A row under a user id is listed only while no
-- number of that person is known.
SELECT s.recipient_key, s.source, s.at, s.detail
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))
ORDER BY s.at DESC, s.recipient_key, s.source

-- name: count_suppressions
-- How many rows list_suppressions has.
SELECT count(*)
FROM suppressions s
WHERE s.is_active AND (%(source)s::text IS NULL OR s.source = %(source)s)
    AND (s.recipient_key LIKE '+%%' OR NOT EXISTS (SELECT FROM user_ids u WHERE u.user_id = s.recipient_key))

-- name: open_reviews
-- Opens reviews of answers that may be opt-outs, one for each answer, even if its webhook is repeated. A person who is
-- suppressed already by their own word or button gets no review.
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
-- Moves undecided answers to the number of their author, when it became known or has changed.
UPDATE optout_reviews r SET recipient_key = m.new
FROM unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE r.recipient_key = m.old AND r.decided_at IS NULL

-- name: decide_reviews
-- Decides all undecided answers of these people, and erases the texts. A second decision finds no row.
UPDATE optout_reviews SET decided_at = clock_timestamp(), decision = %(decision)s, text = ''
WHERE recipient_key = ANY (%(recipient_keys)s::text[]) AND decided_at IS NULL
RETURNING id, recipient_key, source, said_at, detail, opened_at

-- name: list_reviews
-- People whose answers wait for a decision, the oldest first: one row each, with all their answers.
SELECT min(r.id) AS id, r.recipient_key, string_agg(r.text, E'\n' ORDER BY r.said_at, r.id) AS text,
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
-- How many people wait for a decision about their answer, and since when, if an alert is due: when the first person
-- waits, and then once a day while anybody waits.
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
-- Locks the campaigns that have not ended and have a message to one of these people, so that none completes or is
-- cancelled before this transaction has made messages pending again.
SELECT c.id FROM campaigns c
WHERE c.status IN ('pending', 'scheduled', 'running', 'paused')
    AND EXISTS (
        SELECT FROM messages m WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    )
ORDER BY c.id
FOR NO KEY UPDATE OF c

-- name: restore_held
-- Makes messages pending again that claims skipped because an answer waited for review (code -2): in campaigns that the
-- caller has locked, and only to people who have not opted out meanwhile. A claim skips only pending messages that are
-- not uncertain, so none of them has reached anybody. They come back as released messages, apart from the cursor.
UPDATE messages m
SET status = 'pending', not_before = clock_timestamp(), error_code = NULL, error_title = NULL
WHERE m.campaign_id = ANY (%(campaign_ids)s::bigint[]) AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2 AND m.doubted IS NULL
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
RETURNING m.id, m.campaign_id

-- name: wake_restored
-- Makes running campaigns with restored messages due now, also if they wait for a later try or for a window.
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE c.id = ANY (%(campaign_ids)s::bigint[]) AND c.status = 'running'
RETURNING c.id

-- name: count_held
-- How many messages to these people were skipped because an answer waited for review, in campaigns that have ended since.
SELECT count(*)
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
WHERE c.status IN ('completed', 'cancelled') AND coalesce(c.completed_at, c.cancelled_at) >= %(since)s
    AND m.status = 'suppressed' AND m.error_code = -2

-- name: explain_held
-- Messages that were skipped because an answer waited for review. They stay skipped: the answer was an opt-out, or
-- `suppress remove` dismissed it.
UPDATE messages m SET error_code = NULL, error_title = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2

-- name: add_stop_replies
-- Nothing is kept for an opt-out that comes too late to be answered.
INSERT INTO stop_replies (phone_number_id, phone, received_at)
SELECT r.phone_number_id, r.phone, r.received_at
FROM unnest(%(phone_number_ids)s::text[], %(phones)s::text[], %(received_at)s::timestamptz[])
    AS r (phone_number_id, phone, received_at)
WHERE r.received_at > clock_timestamp() - interval '1 day'

-- name: take_stop_reply
-- One reply is taken for good, with the account that has the number which was written to, if it may send.
WITH taken AS (
    DELETE FROM stop_replies WHERE id = (SELECT id FROM stop_replies ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT t.id, t.phone_number_id, t.phone, t.received_at > clock_timestamp() - interval '1 day', a.id, a.token
FROM taken t
LEFT JOIN accounts a ON a.phone_number_id = t.phone_number_id AND a.active

-- name: find_suppressed
SELECT DISTINCT recipient_key FROM suppressions WHERE recipient_key = ANY (%(recipient_keys)s) AND is_active

-- name: find_said
SELECT recipient_key, source, is_active, at, detail
FROM suppressions
WHERE recipient_key = ANY (%(recipient_keys)s)
ORDER BY recipient_key, source

-- name: find_answered
SELECT wamid, id, phone FROM messages WHERE wamid = ANY (%(wamids)s) AND phone IS NOT NULL

-- name: find_reviews
SELECT id, recipient_key, decision, decided_at FROM optout_reviews WHERE id = ANY (%(review_ids)s)

-- name: count_reviews
SELECT count(DISTINCT recipient_key),
    coalesce(extract(epoch FROM clock_timestamp() - min(opened_at)), 0)::float8
FROM optout_reviews
WHERE decided_at IS NULL
