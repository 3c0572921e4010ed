-- A person's word that uncertain messages go again, though the doubted send may have arrived: from `after` on, at most
-- `limit` of them, with a fresh budget of attempts. What evidence has settled by now is not touched, nor who wants no
-- messages. `send_no` goes on and `doubted` keeps which send it was, so that its proof still counts until the message is
-- claimed again. They come back as released messages (`not_before`), apart from the cursor. The caller has locked the
-- campaign, so it neither completes nor is cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row.
WITH picked AS MATERIALIZED (
    SELECT m.id
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.campaign_id, m.id) > (%(campaign_id)s, %(after)s)
        AND m.status = 'uncertain'
        AND m.phone IS NOT NULL  -- erased: nobody to write to
        AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
    ORDER BY m.campaign_id, m.id
    LIMIT %(limit)s
    FOR UPDATE OF m
), retried AS (
    UPDATE messages m
    SET status = 'pending',
        not_before = clock_timestamp(),
        doubted = coalesce(m.doubted, '{}') + int4multirange(int4range(m.send_no, m.send_no, '[]')),
        attempts = 0, pair_refusals = 0, refused_by = NULL
    WHERE m.id = ANY (ARRAY(SELECT id FROM picked)) AND m.status = 'uncertain'
    RETURNING m.id
)
SELECT count(*), max(id) FROM retried
