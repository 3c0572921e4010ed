-- Opens reviews of answers that may be opt-outs, one for each answer, even if its webhook is repeated. A person who is
-- suppressed already by their own word or button gets no review.
INSERT INTO optout_reviews (recipient_key, answer, source, detail, text, said_at, phone_number_id, message_id)
SELECT a.recipient_key, a.answer, a.source, a.detail, a.text, a.said_at, a.phone_number_id, a.message_id
FROM unnest(
    %(recipient_keys)s::text[], %(answers)s::bytea[], %(sources)s::text[], %(details)s::text[], %(texts)s::text[],
    %(said_at)s::timestamptz[], %(phone_number_ids)s::text[], %(message_ids)s::bigint[]
) AS a (recipient_key, answer, source, detail, text, said_at, phone_number_id, message_id)
WHERE NOT EXISTS (
    SELECT FROM suppressions s
    WHERE s.recipient_key = a.recipient_key AND s.source IN ('word', 'button') AND s.is_active
)
ORDER BY a.answer
ON CONFLICT (answer) DO NOTHING
RETURNING id, recipient_key
