-- name: load_campaign_accounts
-- The accounts of campaigns, each with the category that the campaign's template has for the account.
SELECT ca.campaign_id, ca.account_id, g.category
FROM campaign_accounts ca
JOIN campaign_categories g ON g.campaign_id = ca.campaign_id AND g.account_id = ca.account_id
WHERE ca.campaign_id = ANY (%(campaign_ids)s)
ORDER BY ca.campaign_id, ca.account_id

-- name: find_categories
-- Returns, for each pair of campaign and account, the category that the campaign's template has for the account. The
-- account need not belong to the campaign any more, because an operator may have removed the account in the meantime.
SELECT g.campaign_id, g.account_id, g.category
FROM unnest(%(campaign_ids)s::bigint[], %(account_ids)s::bigint[]) AS s (campaign_id, account_id)
JOIN campaign_categories g ON g.campaign_id = s.campaign_id AND g.account_id = s.account_id

-- name: load_accounts
-- The data of accounts for a slice. `blocked_seconds`: the remaining seconds of the cooldown; 0 if the account has no
-- cooldown.
SELECT a.id, a.name, a.phone_number_id, a.token, a.messages_per_second, a.active, a.activated_at, a.portfolio_id,
    coalesce(greatest(extract(epoch FROM a.blocked_until - clock_timestamp()), 0), 0)::float8 AS blocked_seconds,
    coalesce(a.blocked_reason, '') AS blocked_reason,
    ARRAY(
        SELECT k.category FROM account_categories k WHERE k.account_id = a.id AND k.inactive_since IS NOT NULL
    ) AS inactive_categories
FROM accounts a WHERE a.id = ANY (%(account_ids)s)

-- name: reset_streaks
-- Ends streaks after successes. If `is_whole`, a success ends the streak of the account and makes the account's next
-- cooldown short again. If `category` is not NULL, the success ends the account's streak for this category. Usually
-- there is no streak, and the statement writes nothing. The UPDATE of categories reads `ended`, so accounts are locked
-- before their categories.
WITH s AS MATERIALIZED (
    SELECT * FROM unnest(
        %(account_ids)s::bigint[], %(activated_at)s::timestamptz[], %(categories)s::text[], %(are_whole)s::bool[]
    ) AS t (account_id, activated_at, category, is_whole)
), ended AS (
    UPDATE accounts a
    SET consecutive_failures = 0, failures = '[]', block_count = 0
    FROM s
    WHERE s.is_whole AND a.id = s.account_id AND a.activated_at = s.activated_at
        AND (a.consecutive_failures > 0 OR a.block_count > 0) AND a.active
    RETURNING a.id
)
UPDATE account_categories k
SET failures = '[]'
FROM s
WHERE (SELECT count(*) FROM ended) >= 0
    AND k.account_id = s.account_id AND k.category = s.category AND k.activated_at = s.activated_at
    AND k.failures <> '[]' AND k.inactive_since IS NULL

-- name: reset_reported_streaks
-- Ends streaks of failures that webhooks reported, because webhooks now report successes. The caller passes only
-- successes of messages that were sent after the last activation of their account. The statement ends the streaks of
-- the accounts in `good_ids`. For each pair of campaign and account, the statement ends the account's streak for the
-- category of the campaign's template. The UPDATE of categories reads `ended`, so accounts are locked before their
-- categories.
WITH ended AS (
    UPDATE accounts a
    SET consecutive_reported = 0, reported = '[]'
    WHERE a.id = ANY (%(good_ids)s) AND a.consecutive_reported > 0 AND a.active
    RETURNING a.id
)
UPDATE account_categories k
SET reported = '[]'
FROM unnest(%(campaign_ids)s::bigint[], %(account_ids)s::bigint[]) AS s (campaign_id, account_id)
JOIN campaign_categories g ON g.campaign_id = s.campaign_id AND g.account_id = s.account_id
WHERE (SELECT count(*) FROM ended) >= 0
    AND k.account_id = g.account_id AND k.category = g.category
    AND k.reported <> '[]' AND k.inactive_since IS NULL

-- name: lock_streaks
-- The streaks of accounts with new failures. The lock lasts until the caller has written the new streaks, so no other
-- transaction changes the streaks in the meantime. The accounts are locked in the order of their ids.
SELECT id, name, active, activated_at, failure_limit, failures, reported
FROM accounts WHERE id = ANY (%(account_ids)s)
ORDER BY id FOR UPDATE

-- name: lock_category_streaks
-- The streaks of all categories of these accounts. The caller has locked the accounts. The rows of the categories are
-- locked too, because `reset_streaks` may change a category without a lock on its account.
SELECT account_id, category, failures, reported, inactive_since IS NOT NULL
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category FOR UPDATE

-- name: set_streak
UPDATE accounts
SET failures = %(failures)s, consecutive_failures = jsonb_array_length(%(failures)s),
    block_count = CASE WHEN %(has_success)s THEN 0 ELSE block_count END,
    active = active AND %(inactive_reason)s::text IS NULL,
    inactive_reason = CASE WHEN active THEN %(inactive_reason)s::text ELSE inactive_reason END
WHERE id = %(account_id)s AND activated_at = %(activated_at)s

-- name: set_reported_streak
UPDATE accounts
SET reported = %(failures)s, consecutive_reported = jsonb_array_length(%(failures)s),
    active = active AND %(inactive_reason)s::text IS NULL,
    inactive_reason = CASE WHEN active THEN %(inactive_reason)s::text ELSE inactive_reason END
WHERE id = %(account_id)s AND activated_at = %(activated_at)s

-- name: set_category_streak
-- Writes one of the two streaks of a category. If `is_reported`, writes the failures that webhooks report, else the
-- failures that Meta's replies report. If the streak has reached the limit, `inactive_reason` is not NULL, and the
-- statement deactivates the category. The caller has locked the account, and the row of the category if there is one.
INSERT INTO account_categories AS k (
    account_id, category, activated_at, failures, reported, inactive_since, inactive_reason, inactive_code)
SELECT %(account_id)s, %(category)s, %(activated_at)s,
    CASE WHEN %(is_reported)s THEN '[]'::jsonb ELSE %(failures)s END,
    CASE WHEN %(is_reported)s THEN %(failures)s ELSE '[]' END,
    CASE WHEN %(inactive_reason)s::text IS NOT NULL THEN clock_timestamp() END,
    %(inactive_reason)s::text, %(inactive_code)s::integer
ON CONFLICT (account_id, category) DO UPDATE SET
    failures = CASE WHEN %(is_reported)s THEN k.failures ELSE excluded.failures END,
    reported = CASE WHEN %(is_reported)s THEN excluded.reported ELSE k.reported END,
    inactive_since = excluded.inactive_since,
    inactive_reason = excluded.inactive_reason,
    inactive_code = excluded.inactive_code
WHERE k.activated_at = excluded.activated_at AND k.inactive_since IS NULL

-- name: add_account_event
INSERT INTO account_events (account_id, kind, details) VALUES (%(account_id)s, %(kind)s, %(details)s)
RETURNING id

-- name: lock_accounts_to_block
-- Locks accounts before their cooldowns begin, in the order of their ids, and with the accounts of their WABAs. A
-- transaction that also writes streaks of categories calls this statement first, because accounts are locked before
-- their categories.
SELECT id
FROM accounts
WHERE id = ANY (%(account_ids)s)
    OR waba_id IN (SELECT waba_id FROM accounts WHERE id = ANY (%(of_wabas)s))
ORDER BY id FOR NO KEY UPDATE

-- name: block_accounts
-- Starts a cooldown, because Meta asked for a pause, or because Meta's API cannot be reached. A running cooldown is not
-- extended, because the failures of requests that were in flight together are one event. Until the account has a
-- success, each cooldown is twice as long as the previous cooldown, up to `most_seconds`. The length varies at random
-- by up to 15 percent, so that accounts do not resume at the same time.
UPDATE accounts a
SET blocked_until = clock_timestamp() + make_interval(
        secs => least(%(most_seconds)s, %(cooldown_seconds)s * 2 ^ least(a.block_count, 20)) * (0.85 + 0.3 * random())),
    blocked_reason = %(reason)s,
    block_count = a.block_count + 1
WHERE (a.id = %(account_id)s
        OR (%(is_for_waba)s AND a.waba_id = (SELECT b.waba_id FROM accounts b WHERE b.id = %(account_id)s)))
    AND (a.blocked_until IS NULL OR a.blocked_until <= clock_timestamp())
RETURNING a.id, a.blocked_until

-- name: mark_health_due
-- Returns the accounts whose last health check was requested more than `every_seconds` ago, and writes the time of the
-- new request to `health_asked_at`. So an account is checked at most once in `every_seconds`, even if many campaigns
-- use the account.
UPDATE accounts SET health_asked_at = clock_timestamp()
WHERE id = ANY (%(account_ids)s)
    AND (health_asked_at IS NULL OR health_asked_at <= clock_timestamp() - make_interval(secs => %(every_seconds)s))
RETURNING id

-- name: insert_account
INSERT INTO accounts (name, phone_number_id, waba_id, token, messages_per_second, failure_limit, portfolio_id)
VALUES (%(name)s, %(phone_number_id)s, %(waba_id)s, %(token)s, %(messages_per_second)s, %(failure_limit)s,
    %(portfolio_id)s)
RETURNING id

-- name: update_account
-- A parameter that is NULL leaves its column unchanged. A failed health check says nothing about a new token.
UPDATE accounts
SET health = CASE WHEN %(token)s::bytea IS NULL THEN health ELSE health - 'error' END,
    name = coalesce(%(name)s, name),
    phone_number_id = coalesce(%(phone_number_id)s, phone_number_id),
    waba_id = coalesce(%(waba_id)s, waba_id),
    token = coalesce(%(token)s, token),
    messages_per_second = coalesce(%(messages_per_second)s, messages_per_second),
    failure_limit = coalesce(%(failure_limit)s, failure_limit)
WHERE id = %(account_id)s

-- name: find_account_ids
-- Finds the account of each word: the account with this name, or, if no account has this name, the account with this
-- id.
SELECT w.word, coalesce(n.id, i.id) AS id
FROM unnest(%(words)s::text[]) WITH ORDINALITY AS w (word, position)
LEFT JOIN accounts n ON n.name = w.word
LEFT JOIN accounts i ON n.id IS NULL AND i.id::text = w.word
ORDER BY w.position

-- name: list_accounts
-- Returns accounts for listings, without their tokens. If `account_ids` is NULL, returns all accounts.
SELECT
    a.id, a.name, a.phone_number_id, a.waba_id, p.name AS portfolio, a.messages_per_second, a.failure_limit, a.active, a.inactive_reason,
    a.activated_at, a.consecutive_failures, a.failures, a.consecutive_reported, a.reported,
    CASE WHEN a.blocked_until > clock_timestamp() THEN a.blocked_until END AS blocked_until,
    CASE WHEN a.blocked_until > clock_timestamp() THEN a.blocked_reason END AS blocked_reason,
    a.health_checked_at, a.health, a.created_at
FROM accounts a
LEFT JOIN portfolios p ON p.id = a.portfolio_id
WHERE (%(account_ids)s::bigint[] IS NULL OR a.id = ANY (%(account_ids)s)) AND a.id > %(after)s
ORDER BY a.id
LIMIT %(limit)s

-- name: list_account_categories
-- Returns the categories in which an account has had failures since its activation.
SELECT account_id, category, inactive_since, inactive_reason, inactive_code, failures, reported
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category

-- name: list_account_events
-- The last events of an account, the newest first.
SELECT id, at, kind, details FROM account_events
WHERE account_id = %(account_id)s
    AND (%(before)s::bigint IS NULL OR id < %(before)s) AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
ORDER BY id DESC
LIMIT %(limit)s

-- name: list_campaigns_of_accounts
-- Returns the newest campaigns of each account that were started and have not ended, with the number of all of them.
-- The counters give the messages that are not sent yet.
--
-- Plan: `campaigns_by_status` finds these campaigns, because most campaigns of an account have ended.
WITH used AS (
    SELECT ca.account_id, c.id, c.name, c.status, c.waiting_reason,
        row_number() OVER (PARTITION BY ca.account_id ORDER BY c.created_at DESC, c.id DESC) AS place,
        count(*) OVER (PARTITION BY ca.account_id) AS campaign_count
    FROM campaigns c
    JOIN campaign_accounts ca ON ca.campaign_id = c.id
    WHERE c.status IN ('pending', 'scheduled', 'running', 'paused') AND c.test_of IS NULL
        AND ca.account_id = ANY (%(account_ids)s)
)
SELECT u.account_id, u.id, u.name, u.status::text, u.waiting_reason::text,
    (SELECT coalesce(sum(t.count), 0)::bigint FROM tallies t WHERE t.campaign_id = u.id AND t.status = 'pending'),
    ARRAY(
        SELECT a.name FROM campaign_accounts o JOIN accounts a ON a.id = o.account_id
        WHERE o.campaign_id = u.id AND o.account_id <> u.account_id AND a.active
        ORDER BY a.name),
    u.campaign_count
FROM used u
WHERE u.place <= %(limit)s
ORDER BY u.account_id, u.place

-- name: wake_campaigns_of_account
-- Makes running campaigns of an account due now: campaigns whose `waiting_reason` is one of `reasons`, and campaigns
-- with a running slice. Such a slice may be about to end with one of these waiting reasons. Because this statement sets
-- `enqueued_at`, `end_slice` does not write that waiting reason. The caller runs this statement before it writes to the
-- account, because campaigns are locked before accounts.
WITH waiting AS (
    SELECT c.id FROM campaigns c
    WHERE c.status = 'running'
        AND (c.waiting_reason = ANY (%(reasons)s)
            OR EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp()))
        AND EXISTS (SELECT FROM campaign_accounts a WHERE a.campaign_id = c.id AND a.account_id = %(account_id)s)
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
FROM waiting w WHERE c.id = w.id
RETURNING c.id

-- name: activate_account
-- Activates an account, and deletes both its streaks, its cooldown and the reason of its deactivation. Only messages
-- that are sent from now on change the new streaks.
UPDATE accounts
SET active = true, inactive_reason = NULL, activated_at = clock_timestamp(),
    consecutive_failures = 0, failures = '[]', consecutive_reported = 0, reported = '[]',
    blocked_until = NULL, blocked_reason = NULL, block_count = 0
WHERE id = %(account_id)s

-- name: clear_categories
-- Lets an activated account send all categories again. The caller has locked the account.
DELETE FROM account_categories WHERE account_id = %(account_id)s

-- name: deactivate_account
UPDATE accounts SET active = false, inactive_reason = %(reason)s
WHERE id = %(account_id)s AND active

-- name: claim_health_check
-- Claims the last requested check. A task finds no row if another task has claimed the same request or a later request.
UPDATE accounts SET health_begun_at = clock_timestamp()
WHERE id = %(account_id)s AND health_asked_at > coalesce(health_begun_at, '-infinity')
RETURNING id

-- name: load_account_to_check
SELECT phone_number_id, token, health FROM accounts WHERE id = %(account_id)s

-- name: record_health
UPDATE accounts SET health = %(health)s, health_checked_at = clock_timestamp() WHERE id = %(account_id)s

-- name: record_health_failure
-- Keeps the last readable response and adds the reason why the newest check has failed.
UPDATE accounts SET health = health || jsonb_build_object('error', %(reason)s::text)
WHERE id = %(account_id)s
RETURNING (old.health ->> 'error') IS DISTINCT FROM %(reason)s::text

-- name: forget_refusals
-- Deletes the reason of a failed health check if Meta refused the token, because Meta has taken the token since.
UPDATE accounts SET health = health - 'error'
WHERE id = %(account_id)s AND health ->> 'error' LIKE ANY (%(patterns)s::text[])

-- name: lock_tokens
-- Returns the encrypted tokens of all accounts, and locks the rows of the accounts until the end of the transaction.
SELECT id, name, token FROM accounts ORDER BY id FOR NO KEY UPDATE

-- name: write_token
UPDATE accounts SET token = %(token)s WHERE id = %(account_id)s
