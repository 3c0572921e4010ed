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

-- name: find_suppressed
SELECT DISTINCT recipient_key FROM suppressions WHERE recipient_key = ANY (%(recipient_keys)s) AND is_active

-- name: find_suppression_events
SELECT recipient_key, source, is_active, at, detail
FROM suppressions
WHERE recipient_key = ANY (%(recipient_keys)s)
ORDER BY recipient_key, source

-- name: find_answered_messages
SELECT wamid, id, phone FROM messages WHERE wamid = ANY (%(wamids)s) AND phone IS NOT NULL

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
