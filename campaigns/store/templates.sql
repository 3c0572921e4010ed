-- name: block_template
-- Blocks a template that Meta has refused. Campaigns with the template wait, and then send one message to test whether
-- Meta accepts the template again. `status_at` is a time of Meta's clock. The statement does not change `status_at`, so
-- that a webhook about the template still applies. The statement blocks the template of the account's WABA. If that
-- template is not known, the statement blocks the template row of the campaign.
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
-- Approves a template in the WABAs of these accounts, because Meta has accepted a message with the template.
UPDATE templates t SET status = 'approved', blocked_until = NULL
FROM templates used
WHERE used.id = %(template_id)s AND used.name = t.name AND used.language = t.language
    AND t.waba_id IN (SELECT '' UNION SELECT a.waba_id FROM accounts a WHERE a.id = ANY (%(account_ids)s))
    AND (t.status <> 'approved' OR t.blocked_until IS NOT NULL)

-- name: recategorise_template
-- Writes the category that Meta named in a refusal, for the campaign's template in the account's WABA. A newer category
-- is kept.
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
-- Writes Meta's list of a WABA's templates. `as_of`: the list includes all changes up to this time, so the values of a
-- newer webhook are kept. A list that is older than the stored list changes nothing. A template that is no longer
-- approved gets a `blocked_until`, and campaigns with this template wait. A webhook that reports the change has the
-- same effect. If a webhook has reported a newer text of the body, this text takes the place of the text in the list.
-- `synced_at` is the time of the last whole list: a template that the list lacks counts as missing in the WABA. So a
-- list of some templates (not `is_whole`) leaves `synced_at` as it is.
INSERT INTO templates AS t (
    waba_id, meta_id, name, language, components, components_at, status, status_at, category, category_at, quality, quality_at,
    blocked_until, synced_at)
SELECT
    %(waba_id)s, r.meta_id, r.name, r.language, r.components, %(as_of)s, r.status, %(as_of)s, r.category, %(as_of)s, r.quality,
    %(as_of)s, CASE WHEN r.status <> 'approved' THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END,
    %(read_at)s
FROM jsonb_to_recordset(%(templates)s) AS r (
    meta_id text, name text, language text, components jsonb, status text, category text, quality text)
ORDER BY r.name, r.language
ON CONFLICT (name, language, waba_id) DO UPDATE SET
    meta_id = excluded.meta_id,
    components = CASE WHEN t.components_at <= %(as_of)s THEN excluded.components
        ELSE coalesce((
            SELECT jsonb_agg(
                CASE WHEN part ->> 'type' = 'BODY' THEN part || jsonb_strip_nulls(jsonb_build_object('text', (
                    SELECT newer ->> 'text' FROM jsonb_array_elements(t.components) AS own (newer)
                    WHERE newer ->> 'type' = 'BODY' LIMIT 1))) ELSE part END
                ORDER BY number)
            FROM jsonb_array_elements(excluded.components) WITH ORDINALITY AS each (part, number)), '[]') END,
    components_at = greatest(t.components_at, %(as_of)s),
    status = CASE WHEN t.status_at <= %(as_of)s THEN excluded.status ELSE t.status END,
    status_at = greatest(t.status_at, %(as_of)s),
    blocked_until = CASE
        WHEN t.status_at > %(as_of)s OR (excluded.status = t.status AND t.status <> 'approved') THEN t.blocked_until
        ELSE excluded.blocked_until END,
    category = CASE WHEN t.category_at <= %(as_of)s THEN excluded.category ELSE t.category END,
    category_at = greatest(t.category_at, %(as_of)s),
    quality = CASE WHEN t.quality_at <= %(as_of)s THEN excluded.quality ELSE t.quality END,
    quality_at = greatest(t.quality_at, %(as_of)s),
    synced_at = CASE WHEN %(is_whole)s::boolean THEN excluded.synced_at ELSE t.synced_at END
WHERE t.synced_at IS NULL OR t.synced_at < excluded.synced_at
RETURNING
    t.id, t.name, t.language, old.id IS NULL AS is_new,
    old.components AS old_components, new.components,
    old.status AS old_status, new.status, old.category AS old_category, new.category,
    old.quality AS old_quality, new.quality

-- name: mark_gone_templates
-- Marks templates of a WABA as deleted if they are not in Meta's complete list for the WABA. The rows stay, because
-- campaigns refer to them. `only_name` and `only_language`: the list is about this template only; NULL: about all.
UPDATE templates t
SET status = 'deleted', status_at = %(as_of)s,
    synced_at = CASE WHEN %(only_name)s::text IS NULL THEN %(read_at)s ELSE t.synced_at END,
    blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE t.waba_id = %(waba_id)s AND t.status <> 'deleted' AND t.status_at <= %(as_of)s AND t.synced_at < %(read_at)s
    AND (%(only_name)s::text IS NULL OR (t.name = %(only_name)s AND t.language = %(only_language)s))
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(listed)s) AS r (name text, language text)
        WHERE r.name = t.name AND r.language = t.language)
RETURNING t.id, t.name, t.language

-- name: list_campaigns_of_templates
-- Unfinished campaigns with these templates.
SELECT id FROM campaigns
WHERE template_id = ANY (%(template_ids)s) AND status NOT IN ('completed', 'cancelled')
ORDER BY id

-- name: list_users_of_templates
-- Unfinished campaigns that send one of these templates by an account of the WABA of the template. Tests are left out,
-- because they belong to a campaign that is returned, too.
SELECT DISTINCT c.id, c.name, c.status::text AS status, changed.name || ':' || changed.language AS template
FROM templates changed
JOIN templates used ON used.name = changed.name AND used.language = changed.language
JOIN campaigns c ON c.template_id = used.id
WHERE changed.id = ANY (%(template_ids)s) AND c.status NOT IN ('completed', 'cancelled') AND c.test_of IS NULL
    AND (used.id = changed.id OR EXISTS (
        SELECT FROM campaign_accounts ca JOIN accounts a ON a.id = ca.account_id
        WHERE ca.campaign_id = c.id AND a.waba_id = changed.waba_id))
ORDER BY c.id

-- name: insert_template
INSERT INTO templates (name, language, components, category)
VALUES (%(name)s, %(language)s, %(components)s, %(category)s)
RETURNING id

-- name: list_templates
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates
ORDER BY name, language, waba_id

-- name: page_templates
-- Templates behind the key (name, language, waba_id), in the order of these columns. `pattern`: for ILIKE on the name.
-- `waba_ids`: only templates of these WABAs, and templates that an operator added for every WABA.
--
-- Plan: one scan of the unique index, which stops after `limit` rows.
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates
WHERE (name, language, waba_id) > (%(name)s::text, %(language)s::text, %(waba_id)s::text)
    AND (%(pattern)s::text IS NULL OR name ILIKE %(pattern)s)
    AND (%(statuses)s::text[] IS NULL OR status = ANY (%(statuses)s))
    AND (%(waba_ids)s::text[] IS NULL OR waba_id = '' OR waba_id = ANY (%(waba_ids)s))
ORDER BY name, language, waba_id
LIMIT %(limit)s

-- name: page_gallery
-- Templates by name and language, behind the key (name, language), with all their copies. A template is chosen if one
-- of its copies fits all filters. `pattern`: for ILIKE on the name. `waba_ids`: as for `page_templates`. `last_used_at`:
-- when a campaign with a copy of the template started last; tests do not count.
--
-- Plan: `page` is one scan of the unique index, which stops after `limit` templates. Then the index
-- campaigns_by_template finds the campaigns of these templates.
WITH page AS (
    SELECT name, language
    FROM templates
    WHERE (name, language) > (%(name)s::text, %(language_after)s::text)
        AND (%(pattern)s::text IS NULL OR name ILIKE %(pattern)s)
        AND (%(language)s::text IS NULL OR language = %(language)s)
        AND (%(status)s::text IS NULL OR status = %(status)s)
        AND (%(category)s::text IS NULL OR category = %(category)s)
        AND (%(waba_ids)s::text[] IS NULL OR waba_id = '' OR waba_id = ANY (%(waba_ids)s))
    GROUP BY name, language
    ORDER BY name, language
    LIMIT %(limit)s
), used AS (
    SELECT page.name, page.language, max(campaign.started_at) AS at
    FROM page JOIN templates template USING (name, language)
    JOIN campaigns campaign ON campaign.template_id = template.id AND campaign.test_of IS NULL
    GROUP BY page.name, page.language
)
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at, used.at AS last_used_at
FROM page JOIN templates USING (name, language) LEFT JOIN used USING (name, language)
ORDER BY name, language, waba_id

-- name: count_template_results
-- What became of the messages of the campaigns with these templates, by name and language. Tests and drafts do not count.
-- `sent_count` includes the messages that Meta holds, that were delivered and that were read. `delivered_count` includes
-- the messages that were read.
--
-- Plan: the index campaigns_by_template, then the counters of each campaign by their primary key. No message is read.
SELECT wanted.name, wanted.language, count(DISTINCT c.id) AS campaign_count,
    coalesce(sum(y.count) FILTER (WHERE y.status IN ('held', 'sent', 'delivered', 'read')), 0)::bigint AS sent_count,
    coalesce(sum(y.count) FILTER (WHERE y.status IN ('delivered', 'read')), 0)::bigint AS delivered_count,
    coalesce(sum(y.count) FILTER (WHERE y.status = 'read'), 0)::bigint AS read_count,
    coalesce(sum(y.count) FILTER (WHERE y.status = 'failed'), 0)::bigint AS failed_count
FROM unnest(%(names)s::text[], %(languages)s::text[]) AS wanted (name, language)
JOIN templates t USING (name, language)
JOIN campaigns c ON c.template_id = t.id AND c.test_of IS NULL AND c.started_at IS NOT NULL
LEFT JOIN tallies y ON y.campaign_id = c.id
GROUP BY wanted.name, wanted.language

-- name: list_newest_users
-- The newest `limit` campaigns of each of these templates, by name and language. Tests are left out.
SELECT wanted.name, wanted.language, used.id, used.campaign, used.status
FROM unnest(%(names)s::text[], %(languages)s::text[]) AS wanted (name, language)
CROSS JOIN LATERAL (
    SELECT c.id, c.name AS campaign, c.status::text AS status
    FROM templates t JOIN campaigns c ON c.template_id = t.id AND c.test_of IS NULL
    WHERE t.name = wanted.name AND t.language = wanted.language
    ORDER BY c.id DESC
    LIMIT %(limit)s
) used
ORDER BY wanted.name, wanted.language, used.id DESC

-- name: list_choices
-- The languages, statuses and categories that templates have.
SELECT
    coalesce(array_agg(DISTINCT language ORDER BY language), '{}'),
    coalesce(array_agg(DISTINCT status ORDER BY status), '{}'),
    coalesce(array_agg(DISTINCT category ORDER BY category) FILTER (WHERE category <> ''), '{}')
FROM templates

-- name: list_names
SELECT DISTINCT name, language FROM templates ORDER BY name, language

-- name: find_templates
-- The templates with this name and language, in all WABAs.
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates WHERE name = %(name)s AND language = %(language)s
ORDER BY waba_id

-- name: list_synced_wabas
-- WABAs whose list of templates was read, with the time of the last read.
SELECT waba_id, max(synced_at) AS synced_at FROM templates WHERE synced_at IS NOT NULL GROUP BY 1

-- name: load_template
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates WHERE id = %(template_id)s
