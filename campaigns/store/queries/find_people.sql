-- The people with these user ids: for each given id all ids of the same person, and their numbers, the present one
-- first (a number may be listed twice).
--
-- Plan: the primary keys of user_id_changes and user_ids, once per id. OFFSET 0 is on purpose: a generic plan expects
-- thousands of ids, and would join them to a scan of each table.
WITH RECURSIVE same (asked, user_id) AS (
    SELECT id, id FROM unnest(%(user_ids)s::text[]) AS id
    UNION
    SELECT s.asked, c.other_id
    FROM same s
    CROSS JOIN LATERAL (SELECT other_id FROM user_id_changes WHERE user_id = s.user_id OFFSET 0) c
)
SELECT s.asked, array_agg(DISTINCT s.user_id),
    coalesce(array_agg(u.recipient_key ORDER BY u.at DESC, u.recipient_key)
        FILTER (WHERE u.recipient_key IS NOT NULL), '{}')
FROM same s
LEFT JOIN LATERAL (SELECT recipient_key, at FROM user_ids WHERE user_id = s.user_id OFFSET 0) u ON true
GROUP BY s.asked
