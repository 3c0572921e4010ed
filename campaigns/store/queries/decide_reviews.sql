-- A decision about all undecided answers of people. It erases the texts. Whoever comes second finds no row.
UPDATE optout_reviews SET decided_at = clock_timestamp(), decision = %(decision)s, text = ''
WHERE recipient_key = ANY (%(recipient_keys)s::text[]) AND decided_at IS NULL
RETURNING id, recipient_key, source, said_at, detail, opened_at
