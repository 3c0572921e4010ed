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
