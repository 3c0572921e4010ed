-- Nothing is kept for an opt-out that comes too late to be answered.
INSERT INTO stop_replies (phone_number_id, phone, received_at)
SELECT r.phone_number_id, r.phone, r.received_at
FROM unnest(%(phone_number_ids)s::text[], %(phones)s::text[], %(received_at)s::timestamptz[])
    AS r (phone_number_id, phone, received_at)
WHERE r.received_at > clock_timestamp() - interval '1 day'
