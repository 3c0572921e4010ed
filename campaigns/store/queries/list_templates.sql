SELECT id, name, language, components, status, status_at, blocked_until, created_at
FROM templates
ORDER BY name, language
