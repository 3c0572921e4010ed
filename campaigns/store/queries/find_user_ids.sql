-- Every user id of the people with these numbers.
WITH RECURSIVE same (user_id) AS (
    SELECT user_id FROM user_ids WHERE recipient_key = ANY (%(recipient_keys)s::text[])
    UNION
    SELECT c.other_id
    FROM same s
    CROSS JOIN LATERAL (SELECT other_id FROM user_id_changes WHERE user_id = s.user_id OFFSET 0) c  -- as in find_people
)
SELECT user_id FROM same ORDER BY user_id
