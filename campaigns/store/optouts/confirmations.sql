-- name: add_stop_replies
-- Adds confirmations, except for opt-outs that are older than a day, because Meta would not accept free text any more.
INSERT INTO stop_replies (phone_number_id, phone, received_at)
SELECT r.phone_number_id, r.phone, r.received_at
FROM unnest(%(phone_number_ids)s::text[], %(phones)s::text[], %(received_at)s::timestamptz[])
    AS r (phone_number_id, phone, received_at)
WHERE r.received_at > clock_timestamp() - interval '1 day'

-- name: take_stop_reply
-- Deletes the oldest confirmation and returns it with the active account that has the sending number, if there is such
-- an account.
WITH taken AS (
    DELETE FROM stop_replies WHERE id = (SELECT id FROM stop_replies ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT t.id, t.phone_number_id, t.phone, t.received_at > clock_timestamp() - interval '1 day', a.id, a.token
FROM taken t
LEFT JOIN accounts a ON a.phone_number_id = t.phone_number_id AND a.active
