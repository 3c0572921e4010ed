-- Every user id of the people who have these numbers now. A number that was given to somebody else has user ids of its
-- previous owner, too: an id whose newest pair is with another number is left out.
WITH RECURSIVE same (user_id) AS (
    SELECT u.user_id FROM user_ids u
    WHERE u.recipient_key = ANY (%(recipient_keys)s::text[])
        AND NOT EXISTS (
            SELECT FROM user_ids o
            WHERE o.user_id = u.user_id AND o.at > u.at AND o.recipient_key <> ALL (%(recipient_keys)s::text[])
        )
    UNION
    SELECT c.other_id
    FROM same s
    CROSS JOIN LATERAL (SELECT other_id FROM user_id_changes WHERE user_id = s.user_id OFFSET 0) c  -- as in find_people
)
SELECT user_id FROM same ORDER BY user_id
