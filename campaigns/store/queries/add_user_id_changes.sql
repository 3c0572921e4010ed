-- Adds pairs of user ids of the same person, in both directions. The caller holds the lock of `lock_people`,
-- exclusively.
INSERT INTO user_id_changes (user_id, other_id)
SELECT user_id, other_id FROM unnest(%(user_ids)s::text[], %(other_ids)s::text[]) AS c (user_id, other_id)
ORDER BY user_id, other_id
ON CONFLICT DO NOTHING
