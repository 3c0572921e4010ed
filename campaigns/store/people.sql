-- name: lock_forgotten
LOCK TABLE forgotten IN SHARE MODE

-- name: list_key_ids
SELECT DISTINCT key_id FROM forgotten

-- name: load_forgotten
SELECT person FROM forgotten

-- name: count_forgotten
SELECT count(*) FROM forgotten

-- name: add_forgotten
INSERT INTO forgotten (person, key_id, source)
SELECT %(person)s, %(key_id)s, coalesce((
    SELECT s.source FROM suppressions s
    WHERE s.recipient_key = %(recipient_key)s AND s.is_active AND s.detail IS DISTINCT FROM 'forget' ORDER BY s.at DESC, s.source LIMIT 1
), 'manual')
ON CONFLICT (person) DO NOTHING

-- name: delete_forgotten
DELETE FROM forgotten WHERE person = %(person)s

-- name: list_person_keys
SELECT key_id, sealed FROM person_keys ORDER BY key_id

-- name: write_person_key
INSERT INTO person_keys (key_id, sealed) VALUES (%(key_id)s, %(sealed)s)
ON CONFLICT (key_id) DO UPDATE SET sealed = excluded.sealed

-- name: list_pending
-- One batch of the pending messages of a campaign: messages with an id above `last_id`, in the order of their ids.
--
-- Plan: messages_in_order from `last_id` on. The array and the order are deliberate, see `claim_messages`.
SELECT m.id, m.recipient_key FROM messages m
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND m.id > %(last_id)s AND m.status = 'pending'
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s

-- name: suppress_and_erase
UPDATE messages m
SET status = 'suppressed', not_before = NULL, phone = NULL, recipient_key = NULL, variables = '{}',
    consent = NULL, error_details = NULL, wamid = NULL
WHERE m.id = ANY (%(message_ids)s::bigint[]) AND m.status = 'pending'

-- name: suppress_pending
-- Suppresses the pending messages to a person who has opted out. Plan: one index lookup per campaign.
UPDATE messages m SET status = unless_doubted(m.doubted, 'suppressed'), not_before = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status = 'pending'

-- name: has_messages
SELECT EXISTS (
    SELECT FROM campaigns c JOIN messages m ON m.campaign_id = c.id
    WHERE m.recipient_key = %(recipient_key)s
)

-- name: list_messages_of
-- The messages to a person, the newest first.
--
-- Plan: one index lookup per campaign. OFFSET 0 is deliberate: with a limit, the planner may prefer to read all
-- messages from the newest on, until it has found enough messages to the person.
SELECT m.id, m.campaign_id, a.name AS account, m.status::text AS status, m.error_code, m.error_title, m.attempts,
    m.claimed_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.replied_at, m.variables
FROM campaigns c
CROSS JOIN LATERAL (
    SELECT * FROM messages
    WHERE campaign_id = c.id AND recipient_key = %(recipient_key)s
        AND (%(before)s::bigint IS NULL OR id < %(before)s)
    OFFSET 0
) m
LEFT JOIN accounts a ON a.id = m.account_id
ORDER BY m.id DESC
LIMIT %(limit)s

-- name: count_erased_campaigns
SELECT count(*) FROM campaigns WHERE erased_at IS NOT NULL

-- name: is_named_in_new_events
SELECT EXISTS (
    SELECT FROM webhook_events e, unnest(%(names)s::text[]) AS name
    WHERE e.status = 'stored' AND position(convert_to(name, 'UTF8') IN e.body) > 0
)

-- name: erase_test_copies
-- Erases the copies of the person's variables in test campaigns. A test campaign sends copies of the first recipients'
-- variables to other phones.
UPDATE messages t SET variables = '{}'
FROM campaigns c
JOIN messages m ON m.campaign_id = c.test_of
WHERE t.campaign_id = c.id AND m.recipient_key = %(recipient_key)s
    AND t.variables = m.variables AND t.status NOT IN ('pending', 'sending')

-- name: erase_events_of
-- Deletes unmatched and dead-lettered webhook events that contain a number or a user id of the person, or the wamid of
-- a message to the person.
DELETE FROM webhook_events e
WHERE e.status <> 'stored' AND EXISTS (
    SELECT FROM (
        SELECT unnest(%(names)s::text[])
        UNION ALL
        SELECT m.wamid FROM campaigns c JOIN messages m ON m.campaign_id = c.id
        WHERE m.recipient_key = %(recipient_key)s AND m.wamid IS NOT NULL
    ) AS held (text)
    WHERE position(convert_to(held.text, 'UTF8') IN e.body) > 0
)

-- name: erase_messages_of
-- Erases the recipient of messages; their status and times stay. A wamid contains the phone, so it is replaced by
-- `erased.` and the message id. Webhooks still find the message by our own id in their callback data.
UPDATE messages m
SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL, error_details = NULL,
    wamid = CASE WHEN m.wamid IS NOT NULL THEN 'erased.' || m.id END
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status NOT IN ('pending', 'sending')

-- name: erase_replies_of
DELETE FROM stop_replies WHERE phone IN (SELECT '+' || number FROM unnest(%(numbers)s::text[]) AS number)

-- name: erase_in_portfolios
-- Replaces the key of the person by a random key. The row stays, because Meta still counts the person.
UPDATE portfolio_people SET recipient_key = 'erased.' || gen_random_uuid() WHERE recipient_key = %(recipient_key)s

-- name: erase_number_in_accounts
-- Meta's text about a failure may quote the number. The number is replaced by 0, which is valid everywhere in JSON.
WITH erased AS (
    UPDATE account_categories
    SET failures = replace(failures::text, %(number)s, '0')::jsonb,
        reported = replace(reported::text, %(number)s, '0')::jsonb,
        inactive_reason = replace(inactive_reason, %(number)s, '0')
    WHERE position(%(number)s IN concat(failures, reported, inactive_reason)) > 0
)
UPDATE accounts
SET failures = replace(failures::text, %(number)s, '0')::jsonb, reported = replace(reported::text, %(number)s, '0')::jsonb
WHERE position(%(number)s IN failures::text || reported::text) > 0

-- name: erase_number_in_account_events
UPDATE account_events SET details = replace(details::text, %(number)s, '0')::jsonb
WHERE position(%(number)s IN details::text) > 0

-- name: erase_reviews_of
DELETE FROM optout_reviews WHERE recipient_key = ANY (%(keys)s::text[])

-- name: erase_pairs_of
-- Deletes all pairs with the number or a user id of the person. Pairs of these user ids with other numbers are deleted
-- too, because a user id belongs to one person.
DELETE FROM user_ids WHERE recipient_key = %(recipient_key)s OR user_id = ANY (%(user_ids)s::text[])

-- name: erase_user_id_changes_of
DELETE FROM user_id_changes WHERE user_id = ANY (%(user_ids)s::text[]) OR other_id = ANY (%(user_ids)s::text[])

-- name: delete_suppressions_of
DELETE FROM suppressions WHERE recipient_key = ANY (%(keys)s::text[])

-- name: find_new_pairs
-- The pairs of a user id and a number that must be written: unknown pairs, and pairs by which an earlier number becomes
-- the current number again. So a webhook that names a known current pair writes nothing.
--
-- Plan: the primary key of user_ids, twice per pair.
SELECT p.user_id, p.recipient_key, least(coalesce(p.at, clock_timestamp()), clock_timestamp())
FROM unnest(%(user_ids)s::text[], %(recipient_keys)s::text[], %(at)s::timestamptz[]) AS p (user_id, recipient_key, at)
WHERE NOT EXISTS (
    SELECT FROM user_ids u
    WHERE u.user_id = p.user_id AND u.recipient_key = p.recipient_key
        AND (u.at >= p.at OR NOT EXISTS (SELECT FROM user_ids o WHERE o.user_id = u.user_id AND o.at > u.at))
)

-- name: share_people
SELECT pg_advisory_xact_lock_shared(7301986124)

-- name: lock_people
SELECT pg_advisory_xact_lock(7301986124)

-- name: add_pairs
-- Adds pairs of a user id and a number, or updates the time of a known pair if the new time is later. The caller holds
-- the lock of `lock_people`.
INSERT INTO user_ids AS u (user_id, recipient_key, at)
SELECT p.user_id, p.recipient_key, p.at
FROM unnest(%(user_ids)s::text[], %(recipient_keys)s::text[], %(at)s::timestamptz[]) AS p (user_id, recipient_key, at)
ORDER BY p.user_id, p.recipient_key
ON CONFLICT (user_id, recipient_key) DO UPDATE SET at = excluded.at WHERE excluded.at > u.at

-- name: add_user_id_changes
-- Adds pairs of user ids of the same person, in both directions. The caller holds the lock of `lock_people`,
-- exclusively.
INSERT INTO user_id_changes (user_id, other_id)
SELECT user_id, other_id FROM unnest(%(user_ids)s::text[], %(other_ids)s::text[]) AS c (user_id, other_id)
ORDER BY user_id, other_id
ON CONFLICT DO NOTHING

-- name: find_people
-- Finds the people with these user ids. For each given id, returns all user ids of the same person, and the person's
-- numbers, the current number first. A number may be returned twice.
--
-- Plan: the primary keys of user_id_changes and user_ids, once per id. OFFSET 0 is deliberate: a generic plan expects
-- thousands of ids, and would join them to a scan of each table.
WITH RECURSIVE same (asked, user_id) AS (
    SELECT id, id FROM unnest(%(user_ids)s::text[]) AS id
    UNION
    SELECT s.asked, c.other_id
    FROM same s
    CROSS JOIN LATERAL (SELECT other_id FROM user_id_changes WHERE user_id = s.user_id OFFSET 0) c
)
SELECT s.asked, array_agg(DISTINCT s.user_id),
    coalesce(array_agg(u.recipient_key ORDER BY u.at DESC, u.recipient_key)
        FILTER (WHERE u.recipient_key IS NOT NULL), '{}')
FROM same s
LEFT JOIN LATERAL (SELECT recipient_key, at FROM user_ids WHERE user_id = s.user_id OFFSET 0) u ON true
GROUP BY s.asked

-- name: find_user_ids
-- All user ids of the people who have these numbers now. A reassigned number also has pairs with user ids of its
-- previous owner, so user ids whose newest pair is with another number are omitted.
WITH RECURSIVE same (user_id) AS (
    SELECT u.user_id FROM user_ids u
    WHERE u.recipient_key = ANY (%(recipient_keys)s::text[])
        AND NOT EXISTS (
            SELECT FROM user_ids o
            WHERE o.user_id = u.user_id AND o.at > u.at AND o.recipient_key <> ALL (%(recipient_keys)s::text[])
        )
    UNION
    SELECT c.other_id
    FROM same s
    CROSS JOIN LATERAL (SELECT other_id FROM user_id_changes WHERE user_id = s.user_id OFFSET 0) c  -- as in find_people
)
SELECT user_id FROM same ORDER BY user_id

-- name: find_overdue_campaigns
-- Campaigns that ended more than `days` days ago and were not erased yet, each with the number of its messages that
-- still have a phone.
SELECT c.id, c.name, (SELECT count(*) FROM messages m WHERE m.campaign_id = c.id AND m.phone IS NOT NULL)
FROM campaigns c
WHERE c.erased_at IS NULL AND c.status IN ('completed', 'cancelled')
    AND coalesce(c.completed_at, c.cancelled_at) < clock_timestamp() - make_interval(days => %(days)s)
ORDER BY c.id

-- name: erase_batch
-- Erases the recipients of the next messages of a campaign. Erases the wamids too, because a wamid contains the phone.
-- Both arrays are deliberate, see `claim_messages`.
UPDATE messages m
SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL, error_details = NULL,
    wamid = CASE WHEN m.wamid IS NOT NULL THEN 'erased.' || m.id END
WHERE m.id = ANY (ARRAY (
    SELECT id FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(last_id)s
        AND phone IS NOT NULL AND status NOT IN ('pending', 'sending')
    ORDER BY campaign_id, id
    LIMIT %(limit)s
))
RETURNING m.id

-- name: mark_erased
UPDATE campaigns c SET erased_at = clock_timestamp()
WHERE c.id = %(campaign_id)s AND NOT EXISTS (
    SELECT FROM messages m WHERE m.campaign_id = c.id AND m.phone IS NOT NULL
)

-- name: find_forgotten
SELECT person FROM forgotten WHERE person = ANY (%(people)s)
