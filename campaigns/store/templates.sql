-- name: block_template
-- Meta refused the template itself: its campaigns wait, then one message tries it again. What a webhook said of it
-- stays (`status_at` is Meta's time, not ours). The template is that of the account's WABA, where it is known.
UPDATE templates
SET status = %(status)s, blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE id = (
        SELECT t.id FROM templates t JOIN templates used ON used.name = t.name AND used.language = t.language
        WHERE used.id = %(template_id)s
            AND (t.id = used.id OR t.waba_id = (SELECT a.waba_id FROM accounts a WHERE a.id = %(account_id)s))
        ORDER BY t.waba_id = (SELECT a.waba_id FROM accounts a WHERE a.id = %(account_id)s) DESC LIMIT 1)
    AND (blocked_until IS NULL OR blocked_until <= clock_timestamp())
RETURNING blocked_until

-- name: approve_template
-- Meta accepted a message with it: whatever was wrong with the template is over, in the WABAs of these accounts.
UPDATE templates t SET status = 'approved', blocked_until = NULL
FROM templates used
WHERE used.id = %(template_id)s AND used.name = t.name AND used.language = t.language
    AND t.waba_id IN (SELECT '' UNION SELECT a.waba_id FROM accounts a WHERE a.id = ANY (%(account_ids)s))
    AND (t.status <> 'approved' OR t.blocked_until IS NOT NULL)

-- name: recategorise_template
-- Writes the category that a refusal by Meta named for a campaign's template in the account's WABA. A newer category
-- stays.
UPDATE templates t
SET category = %(category)s, category_at = least(%(at)s, clock_timestamp())
WHERE t.category_at <= %(at)s AND t.category <> %(category)s
    AND t.id = (
        SELECT own.id FROM campaigns c
        JOIN templates used ON used.id = c.template_id
        JOIN templates own ON own.name = used.name AND own.language = used.language
        JOIN accounts a ON a.id = %(account_id)s
        WHERE c.id = %(campaign_id)s AND (own.id = used.id OR own.waba_id = a.waba_id)
        ORDER BY own.waba_id = a.waba_id DESC LIMIT 1)
RETURNING t.name, t.language, old.category

-- name: sync_templates
-- What Meta's list says of a WABA's templates. `as_of`: the list surely knows all that Meta said until then, so a
-- webhook that is newer stays. An older read that comes late changes nothing. A status that changes for the worse lets
-- its campaigns wait, as a webhook does.
INSERT INTO templates AS t (
    waba_id, meta_id, name, language, components, status, status_at, category, category_at, quality, quality_at,
    blocked_until, synced_at)
SELECT
    %(waba_id)s, r.meta_id, r.name, r.language, r.components, r.status, %(as_of)s, r.category, %(as_of)s, r.quality,
    %(as_of)s, CASE WHEN r.status <> 'approved' THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END,
    %(read_at)s
FROM jsonb_to_recordset(%(templates)s) AS r (
    meta_id text, name text, language text, components jsonb, status text, category text, quality text)
ORDER BY r.name, r.language
ON CONFLICT (name, language, waba_id) DO UPDATE SET
    meta_id = excluded.meta_id,
    components = excluded.components,
    status = CASE WHEN t.status_at <= %(as_of)s THEN excluded.status ELSE t.status END,
    status_at = greatest(t.status_at, %(as_of)s),
    blocked_until = CASE
        WHEN t.status_at > %(as_of)s OR (excluded.status = t.status AND t.status <> 'approved') THEN t.blocked_until
        ELSE excluded.blocked_until END,
    category = CASE WHEN t.category_at <= %(as_of)s THEN excluded.category ELSE t.category END,
    category_at = greatest(t.category_at, %(as_of)s),
    quality = CASE WHEN t.quality_at <= %(as_of)s THEN excluded.quality ELSE t.quality END,
    quality_at = greatest(t.quality_at, %(as_of)s),
    synced_at = excluded.synced_at
WHERE t.synced_at IS NULL OR t.synced_at < excluded.synced_at
RETURNING
    t.id, t.name, t.language, old.id IS NULL AS is_new,
    old.components AS old_components, new.components,
    old.status AS old_status, new.status, old.category AS old_category, new.category,
    old.quality AS old_quality, new.quality

-- name: mark_gone_templates
-- Templates of a WABA that a complete read did not list: marked, never deleted, since campaigns refer to them.
UPDATE templates t
SET status = 'deleted', status_at = %(as_of)s, synced_at = %(read_at)s,
    blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE t.waba_id = %(waba_id)s AND t.status <> 'deleted' AND t.status_at <= %(as_of)s AND t.synced_at < %(read_at)s
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(listed)s) AS r (name text, language text)
        WHERE r.name = t.name AND r.language = t.language)
RETURNING t.id, t.name, t.language

-- name: list_filled_campaigns
-- Campaigns that have not ended and whose recipients bring values for these templates.
SELECT id FROM campaigns
WHERE template_id = ANY (%(template_ids)s) AND status NOT IN ('completed', 'cancelled')
ORDER BY id

-- name: insert_template
INSERT INTO templates (name, language, components) VALUES (%(name)s, %(language)s, %(components)s)
RETURNING id

-- name: list_templates
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates
ORDER BY name, language, waba_id

-- name: find_templates
-- All that bear the name, whatever their WABA.
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates WHERE name = %(name)s AND language = %(language)s
ORDER BY waba_id

-- name: list_synced_wabas
-- Whose templates were ever read, and when that was last.
SELECT waba_id, max(synced_at) AS synced_at FROM templates WHERE synced_at IS NOT NULL GROUP BY 1

-- name: load_template
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates WHERE id = %(template_id)s
