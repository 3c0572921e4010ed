-- Undecided answers of people whose number is known now, or is another one now.
UPDATE optout_reviews r SET recipient_key = m.new
FROM unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE r.recipient_key = m.old AND r.decided_at IS NULL
