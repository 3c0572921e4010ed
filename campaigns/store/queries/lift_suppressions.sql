-- A person's word, for people who have an active row: every source is lifted, also those that have said nothing yet, so
-- that no event from before suppresses again. An event of the future is lifted too.
INSERT INTO suppressions AS s (recipient_key, source, is_active, at, detail)
SELECT k.recipient_key, o.source, false, clock_timestamp(), 'removed'
FROM unnest(%(recipient_keys)s::text[]) AS k (recipient_key)
CROSS JOIN unnest(%(sources)s::text[]) AS o (source)
WHERE EXISTS (SELECT FROM suppressions a WHERE a.recipient_key = k.recipient_key AND a.is_active)
ORDER BY k.recipient_key, o.source
ON CONFLICT (recipient_key, source) DO UPDATE
SET is_active = false, at = greatest(excluded.at, s.at + interval '1 microsecond'), detail = excluded.detail
RETURNING new.recipient_key
