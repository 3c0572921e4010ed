-- Moves undecided answers to the number of their author, when it became known or has changed.
UPDATE optout_reviews r SET recipient_key = m.new
FROM unnest(%(old)s::text[], %(new)s::text[]) AS m (old, new)
WHERE r.recipient_key = m.old AND r.decided_at IS NULL
