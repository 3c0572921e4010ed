-- Active suppressions, the newest first; `source` NULL: of every source.
SELECT recipient_key, source, at, detail
FROM suppressions
WHERE is_active AND (%(source)s::text IS NULL OR source = %(source)s)
ORDER BY at DESC, recipient_key, source
