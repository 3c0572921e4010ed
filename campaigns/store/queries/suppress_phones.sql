-- Newest event wins; the source of the newest stays.
INSERT INTO suppressions AS s (recipient_key, source, at)
SELECT DISTINCT ON (m.recipient_key) m.recipient_key, %(source)s, clock_timestamp()
FROM messages m WHERE m.id = ANY (%(message_ids)s)
ORDER BY m.recipient_key
ON CONFLICT (recipient_key) DO UPDATE SET source = excluded.source, at = excluded.at WHERE s.at <= excluded.at
