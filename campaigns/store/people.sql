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

-- name: list_pending
-- The pending messages of a campaign, in batches by id. Plan: messages_in_order from the last one on; the array and the
-- order are on purpose, see claim_messages.
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
-- A person's word before a message has left: one index lookup per campaign.
UPDATE messages m SET status = unless_doubted(m.doubted, 'suppressed'), not_before = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status = 'pending'

-- name: has_messages
SELECT EXISTS (
    SELECT FROM campaigns c JOIN messages m ON m.campaign_id = c.id
    WHERE m.recipient_key = %(recipient_key)s
)

-- name: is_named_in_new_events
SELECT EXISTS (
    SELECT FROM webhook_events e, unnest(%(names)s::text[]) AS name
    WHERE e.status = 'stored' AND position(convert_to(name, 'UTF8') IN e.body) > 0
)

-- name: erase_test_copies
-- A test sends what the first people get to other phones: the person's variables there are theirs too.
UPDATE messages t SET variables = '{}'
FROM campaigns c
JOIN messages m ON m.campaign_id = c.test_of
WHERE t.campaign_id = c.id AND m.recipient_key = %(recipient_key)s
    AND t.variables = m.variables AND t.status NOT IN ('pending', 'sending')

-- name: erase_events_of
-- Deletes parked pieces and bodies of webhooks that hold a number or a user id of the person, or the id of a message to
-- that person.
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
-- What is left says that there was a message, and what became of it. A wamid holds the number that it went to, so
-- another word takes its place; webhooks still find the message by our own id.
UPDATE messages m
SET phone = NULL, recipient_key = NULL, variables = '{}', consent = NULL, error_details = NULL,
    wamid = CASE WHEN m.wamid IS NOT NULL THEN 'erased.' || m.id END
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = %(recipient_key)s AND m.status NOT IN ('pending', 'sending')

-- name: erase_replies_of
DELETE FROM stop_replies WHERE phone IN (SELECT '+' || number FROM unnest(%(numbers)s::text[]) AS number)

-- name: erase_in_portfolios
-- Who is forgotten keeps a slot, without a name: Meta counts the person all the same.
UPDATE portfolio_people SET recipient_key = 'erased.' || gen_random_uuid() WHERE recipient_key = %(recipient_key)s

-- name: erase_number_in_accounts
-- Meta's words about a failure may quote a number; 0 can stand for it anywhere in JSON.
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
-- A user id belongs to one person, so its pairs with other numbers are deleted, too.
DELETE FROM user_ids WHERE recipient_key = %(recipient_key)s OR user_id = ANY (%(user_ids)s::text[])

-- name: erase_user_id_changes_of
DELETE FROM user_id_changes WHERE user_id = ANY (%(user_ids)s::text[]) OR other_id = ANY (%(user_ids)s::text[])

-- name: delete_suppressions_of
DELETE FROM suppressions WHERE recipient_key = ANY (%(keys)s::text[])

-- name: find_new_pairs
-- The new pairs among these pairs of a user id and a number: unknown pairs, and pairs that make an earlier number the
-- present one again. Only these are written, so a status about a known person writes nothing here.
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
-- Adds pairs of a user id and a number, or updates the newest time of each. The caller holds the lock of `lock_people`.
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
-- The people with these user ids: for each given id all ids of the same person, and their numbers, the present one
-- first (a number may be listed twice).
--
-- Plan: the primary keys of user_id_changes and user_ids, once per id. OFFSET 0 is on purpose: a generic plan expects
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
-- Every user id of the people who have these numbers now. A number that was given to somebody else has user ids of its
-- previous owner, too: an id whose newest pair is with another number is left out.
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

-- name: find_overdue
-- Campaigns that ended so many days ago and were not erased yet, with how many of their messages still have a phone.
SELECT c.id, c.name, (SELECT count(*) FROM messages m WHERE m.campaign_id = c.id AND m.phone IS NOT NULL)
FROM campaigns c
WHERE c.erased_at IS NULL AND c.status IN ('completed', 'cancelled')
    AND coalesce(c.completed_at, c.cancelled_at) < clock_timestamp() - make_interval(days => %(days)s)
ORDER BY c.id

-- name: erase_batch
-- The next messages of a campaign lose what says to whom they went: also the wamid, which holds the number. Both
-- arrays are on purpose: see claim_messages.
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
