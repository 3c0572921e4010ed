-- Decides all undecided answers of these people, and erases the texts. A second decision finds no row.
UPDATE optout_reviews SET decided_at = clock_timestamp(), decision = %(decision)s, text = ''
WHERE recipient_key = ANY (%(recipient_keys)s::text[]) AND decided_at IS NULL
RETURNING id, recipient_key, source, said_at, detail, opened_at
