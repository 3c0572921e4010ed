-- Whose messages these are. Erased ones are nobody's.
SELECT id, recipient_key FROM messages WHERE id = ANY (%(message_ids)s::bigint[]) AND recipient_key IS NOT NULL
