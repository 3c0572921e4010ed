SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates
ORDER BY name, language, waba_id
