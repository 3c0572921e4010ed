-- People whose answers wait for a decision, the oldest first: one row each, with all their answers.
SELECT min(r.id) AS id, r.recipient_key, string_agg(r.text, E'\n' ORDER BY r.said_at, r.id) AS text,
    min(r.said_at) AS first_said_at, max(r.said_at) AS said_at, count(*) AS answer_count,
    (array_agg(coalesce(a.name, r.phone_number_id) ORDER BY r.said_at DESC, r.id DESC))[1] AS account,
    (array_agg(m.campaign_id ORDER BY r.said_at DESC, r.id DESC) FILTER (WHERE m.id IS NOT NULL))[1] AS campaign_id
FROM optout_reviews r
LEFT JOIN accounts a ON a.phone_number_id = r.phone_number_id
LEFT JOIN messages m ON m.id = r.message_id
WHERE r.decided_at IS NULL
GROUP BY r.recipient_key
ORDER BY min(r.id)
