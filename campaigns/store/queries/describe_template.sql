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
