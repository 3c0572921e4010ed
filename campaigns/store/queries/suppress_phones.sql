-- Newest event wins; the source of the newest stays.
INSERT INTO suppressions AS s (phone, source, at)
SELECT DISTINCT ON (m.phone) m.phone, %(source)s, clock_timestamp()
FROM messages m WHERE m.id = ANY (%(message_ids)s)
ORDER BY m.phone
ON CONFLICT (phone) DO UPDATE SET source = excluded.source, at = excluded.at WHERE s.at <= excluded.at
