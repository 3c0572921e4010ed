-- What is known of who must not be messaged, the newest event of each source. At the same time an opt-out is stronger
-- than its end, so any order and any number of copies ends in the same rows. Returns what changed, and whether that
-- source had suppressed the person before.
INSERT INTO suppressions AS s (recipient_key, source, is_active, at, detail)
SELECT DISTINCT ON (e.recipient_key, e.source) e.recipient_key, e.source, e.is_active,
    coalesce(e.at, statement_timestamp()), e.detail
FROM unnest(
    %(recipient_keys)s::text[], %(sources)s::text[], %(are_active)s::bool[], %(at)s::timestamptz[], %(details)s::text[]
) AS e (recipient_key, source, is_active, at, detail)
ORDER BY e.recipient_key, e.source, coalesce(e.at, statement_timestamp()) DESC, e.is_active DESC, coalesce(e.detail, '') COLLATE "C" DESC
ON CONFLICT (recipient_key, source) DO UPDATE
SET is_active = excluded.is_active, at = excluded.at, detail = excluded.detail
WHERE (excluded.at, excluded.is_active, coalesce(excluded.detail, '') COLLATE "C")
    > (s.at, s.is_active, coalesce(s.detail, '') COLLATE "C")
RETURNING new.recipient_key, new.source, new.is_active, coalesce(old.is_active, false)
