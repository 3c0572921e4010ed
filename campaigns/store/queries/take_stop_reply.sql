-- One reply is taken for good, with the account that has the number which was written to, if it may send.
WITH taken AS (
    DELETE FROM stop_replies WHERE id = (SELECT id FROM stop_replies ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT t.id, t.phone_number_id, t.phone, t.received_at > clock_timestamp() - interval '1 day', a.id, a.token
FROM taken t
LEFT JOIN accounts a ON a.phone_number_id = t.phone_number_id AND a.active
