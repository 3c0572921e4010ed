-- name: lock_standing
-- Lets one transaction at a time make the standing campaign of an account and a template.
SELECT pg_advisory_xact_lock(730199, hashtext(%(account_id)s::text || ':' || %(template)s))

-- name: find_standing
-- The standing campaign that was made for an account and a template, `name:language`. Plan: campaigns_standing.
SELECT c.id FROM campaigns c JOIN templates t ON t.id = c.template_id
WHERE c.standing_account_id = %(account_id)s AND t.name || ':' || t.language = %(template)s
ORDER BY c.id DESC
LIMIT 1

-- name: note_standing_account
UPDATE campaigns SET standing_account_id = %(account_id)s WHERE id = %(campaign_id)s AND is_standing

-- name: insert_post
-- Inserts a posted message and its key, or nothing if the key is in use. If another transaction is inserting the key,
-- the statement waits for its end. The message has a `not_before`, so claims find it by messages_released: the ids of
-- posted messages may be committed in another order than they were given, and a cursor would pass a lower id.
WITH next AS (
    SELECT nextval(pg_get_serial_sequence('messages', 'id')) AS id
), key AS (
    INSERT INTO message_keys (message_id, campaign_id, account_id, key_sha256, posted_by)
    SELECT n.id, c.id, c.standing_account_id, %(key_sha256)s, %(posted_by)s
    FROM next n, campaigns c WHERE c.id = %(campaign_id)s
    ON CONFLICT DO NOTHING
    RETURNING message_id
)
INSERT INTO messages (id, campaign_id, phone, recipient_key, variables, not_before, posted_id)
OVERRIDING SYSTEM VALUE
SELECT k.message_id, %(campaign_id)s, %(phone)s, %(recipient_key)s, %(variables)s, clock_timestamp(), k.message_id FROM key k
RETURNING id

-- name: note_post
-- Counts a posted message, which this transaction has inserted, and wakes its campaign unless it waits for something else
-- than a message. Returns whether the caller enqueues the campaign. The caller has locked the campaign since before the
-- insert. So a slice that has not seen the message ends after the commit and finds the mark, or it has ended before, and
-- this statement sees its wait.
UPDATE campaigns c
SET recipient_count = c.recipient_count + 1,
    due_at = CASE WHEN p.wakes THEN NULL ELSE c.due_at END,
    enqueued_at = CASE WHEN p.wakes THEN coalesce(c.enqueued_at, clock_timestamp()) ELSE c.enqueued_at END
FROM (
    SELECT b.id, b.status = 'running' AND coalesce(b.waiting_reason, 'idle') IN ('idle', 'retry') AS wakes
    FROM campaigns b WHERE b.id = %(campaign_id)s
) p
WHERE c.id = p.id
RETURNING new.enqueued_at IS NOT NULL AND old.enqueued_at IS NULL

-- name: find_post
-- The message with a key. The keys of the standing campaigns that were made for an account are unique among all of them.
-- Plan: message_keys_by_campaign or message_keys_by_account, and the primary key of messages.
SELECT m.id, m.campaign_id, m.status::text AS status, m.recipient_key, m.variables
FROM campaigns c
CROSS JOIN LATERAL (
    SELECT message_id FROM message_keys
    WHERE account_id IS NULL AND campaign_id = c.id AND key_sha256 = %(key_sha256)s
    UNION ALL
    SELECT message_id FROM message_keys WHERE account_id = c.standing_account_id AND key_sha256 = %(key_sha256)s
) k
JOIN messages m ON m.id = k.message_id
WHERE c.id = %(campaign_id)s

-- name: load_message
-- A message with the columns that a page shows. Plan: the primary key.
SELECT m.id, m.recipient_key, m.variables, m.status::text AS status, m.error_code, m.error_title, m.attempts,
    a.name AS account, m.claimed_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.replied_at, m.campaign_id
FROM messages m
LEFT JOIN accounts a ON a.id = m.account_id
WHERE m.id = %(message_id)s
