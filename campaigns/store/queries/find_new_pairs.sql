-- The new pairs among these pairs of a user id and a number: unknown pairs, and pairs that make an earlier number the
-- present one again. Only these are written, so a status about a known person writes nothing here.
--
-- Plan: the primary key of user_ids, twice per pair.
SELECT p.user_id, p.recipient_key, least(coalesce(p.at, clock_timestamp()), clock_timestamp())
FROM unnest(%(user_ids)s::text[], %(recipient_keys)s::text[], %(at)s::timestamptz[]) AS p (user_id, recipient_key, at)
WHERE NOT EXISTS (
    SELECT FROM user_ids u
    WHERE u.user_id = p.user_id AND u.recipient_key = p.recipient_key
        AND (u.at >= p.at OR NOT EXISTS (SELECT FROM user_ids o WHERE o.user_id = u.user_id AND o.at > u.at))
)
