-- All that bear the name, whatever their WABA.
SELECT
    id, waba_id, meta_id, name, language, components, status, status_at, category, quality, blocked_until, synced_at,
    created_at
FROM templates WHERE name = %(name)s AND language = %(language)s
ORDER BY waba_id
