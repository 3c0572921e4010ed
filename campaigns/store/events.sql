-- name: insert_events
INSERT INTO webhook_events (body) SELECT unnest(%(bodies)s::bytea[])

-- name: newest_event_id
SELECT coalesce(max(id), 0) FROM webhook_events WHERE status = 'stored'

-- name: take_events
-- Webhook bodies that are due, oldest first, up to a number and a size. The attempt is committed before anything is
-- parsed, and the body is not due again before `next_try_at`: a body that kills its worker is known by its attempts.
-- So a body that was tried before is taken alone: no other's attempt is counted that nobody then makes.
-- Unmatched ones come back with growing gaps (a minute, two, four … six hours).
--
-- Plan: the index of what is due, then the primary key once per body. The array is on purpose: a generic plan does not
-- know LIMIT, takes it for a tenth of the table, and would join the due ones to a scan of all that wait.
WITH due AS (
    SELECT id, octet_length(body) AS size, status = 'stored' AND attempts > 0 AS is_suspect
    FROM webhook_events
    WHERE status <> 'set_aside' AND next_try_at <= clock_timestamp()
    ORDER BY next_try_at, id
    LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
), fitting AS (
    (SELECT id FROM due WHERE is_suspect ORDER BY id LIMIT 1)
    UNION ALL
    SELECT id FROM (SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM due) sized
    WHERE before < %(max_bytes)s AND NOT EXISTS (SELECT FROM due WHERE is_suspect)
)
UPDATE webhook_events e
SET attempts = e.attempts + 1,
    next_try_at = clock_timestamp() + make_interval(
        secs => least(21600, %(retry_seconds)s * 2 ^ least(e.attempts, 20)))
WHERE e.id = ANY (ARRAY(SELECT id FROM fitting))
RETURNING e.id, e.status, e.attempts, e.body

-- name: park_events
-- What could not be applied now: unmatched evidence waits for its message, set-aside pieces for a person.
INSERT INTO webhook_events (status, reason, body, next_try_at, expires_at)
SELECT p.status, p.reason, p.body, clock_timestamp() + make_interval(secs => %(retry_seconds)s),
    clock_timestamp() + make_interval(secs => %(keep_seconds)s)
FROM unnest(%(statuses)s::text[], %(reasons)s::text[], %(bodies)s::bytea[]) AS p (status, reason, body)

-- name: set_aside_event
UPDATE webhook_events SET status = 'set_aside', reason = %(reason)s,
    expires_at = clock_timestamp() + make_interval(secs => %(keep_seconds)s)
WHERE id = %(event_id)s

-- name: delete_events
DELETE FROM webhook_events WHERE id = ANY (%(ids)s)

-- name: expire_events
-- What nothing has matched for days, and what nobody has looked at.
DELETE FROM webhook_events WHERE expires_at <= clock_timestamp() RETURNING status

-- name: find_messages
-- The messages that evidence speaks of, by our id or by wamid, with what is needed to judge it. Two plans, each an
-- index scan: the primary key, and the hash index on the wamid.
SELECT m.id, m.wamid, m.send_no, m.attempts, m.status::text, m.campaign_id, m.account_id, m.refused_by,
    m.recipient_key, a.phone_number_id, a.waba_id, m.claimed_at >= a.activated_at AS is_since_activation,
    m.claimed_at <= c.recovered_at AS is_recovered
FROM (
    SELECT id FROM messages WHERE id = ANY (%(ids)s::bigint[])
    UNION
    SELECT id FROM messages WHERE wamid = ANY (%(wamids)s::text[])
) found
JOIN messages m ON m.id = found.id
JOIN campaigns c ON c.id = m.campaign_id
LEFT JOIN accounts a ON a.id = m.account_id

-- name: usable_accounts_of
-- The accounts that may send for campaigns: active, and not deactivated for the category of the campaign's template.
SELECT ca.campaign_id, ca.account_id
FROM campaign_accounts ca
JOIN accounts a ON a.id = ca.account_id
JOIN campaign_categories g ON g.campaign_id = ca.campaign_id AND g.account_id = ca.account_id
LEFT JOIN account_categories k ON k.account_id = ca.account_id AND k.category = g.category
WHERE ca.campaign_id = ANY (%(campaign_ids)s) AND a.active AND k.inactive_since IS NULL

-- name: judge_template
-- What Meta says of a template by webhook: of the WABA's own, and of one that a person added for any. An older event
-- than the last one changes nothing.
UPDATE templates
SET status = %(status)s, status_at = coalesce(%(at)s, clock_timestamp()),
    blocked_until = CASE WHEN %(status)s <> 'approved'
        THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END
WHERE name = %(name)s AND language = %(language)s AND waba_id IN (%(waba_id)s, '')
    AND (%(at)s::timestamptz IS NULL OR status_at <= %(at)s)
RETURNING id

-- name: describe_template
-- A new quality or category by webhook; NULL: nothing was said of it. An older event changes nothing.
UPDATE templates t
SET quality = CASE WHEN s.has_quality THEN %(quality)s ELSE t.quality END,
    quality_at = CASE WHEN s.has_quality THEN s.at ELSE t.quality_at END,
    category = CASE WHEN s.has_category THEN %(category)s ELSE t.category END,
    category_at = CASE WHEN s.has_category THEN s.at ELSE t.category_at END
FROM (
    SELECT id, at, %(quality)s::text IS NOT NULL AND quality_at <= at AS has_quality,
        %(category)s::text IS NOT NULL AND category_at <= at AS has_category
    FROM templates, coalesce(%(at)s::timestamptz, clock_timestamp()) AS at
    WHERE name = %(name)s AND language = %(language)s AND waba_id IN (%(waba_id)s, '')
    FOR NO KEY UPDATE OF templates
) s
WHERE t.id = s.id AND (s.has_quality OR s.has_category)

-- name: wake_template_campaigns
-- The reason to wait is gone: due now, and marked as rung (the caller rings). A campaign may send by accounts of several
-- WABAs, so whoever waits for a template of this name looks anew.
UPDATE campaigns
SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE status = 'running' AND waiting_reason = 'template' AND template_id IN (
    SELECT same.id FROM templates t JOIN templates same ON same.name = t.name AND same.language = t.language
    WHERE t.id = ANY (%(template_ids)s))
RETURNING id

-- name: note_reported
-- An event about a number or its WABA, kept with every account that it concerns.
INSERT INTO account_events (account_id, kind, details)
SELECT a.id, 'reported', %(details)s
FROM accounts a
WHERE a.phone_number_id = %(phone_number_id)s OR (%(phone_number_id)s = '' AND a.waba_id = %(waba_id)s)
RETURNING account_id

-- name: count_unapplied
SELECT count(*) FROM webhook_events WHERE status = 'stored' AND id <= %(newest_id)s
