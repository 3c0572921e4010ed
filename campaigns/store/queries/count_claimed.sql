-- Whoever may get a message now is counted for 24 hours from now. A person who is counted already takes no new slot; then
-- more than one message counts them, and none alone can give the slot back.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until, message_id)
SELECT c.portfolio_id, m.recipient_key, clock_timestamp() + interval '24 hours', m.id
FROM unnest(%(message_ids)s::bigint[], %(portfolio_ids)s::bigint[]) AS c (message_id, portfolio_id)
JOIN messages m ON m.id = c.message_id
ORDER BY c.portfolio_id, m.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE
SET until = excluded.until,
    message_id = CASE WHEN p.message_id = excluded.message_id THEN p.message_id END
