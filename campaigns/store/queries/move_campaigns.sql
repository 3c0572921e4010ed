-- Decided changes of status, each only from the status it was decided on. Whatever a campaign waited for is over. None
-- leads to `completed`; in a completed one that a retry opens again nothing is left to be found behind the cursor.
UPDATE campaigns c
SET status = m.new, waiting_reason = NULL, due_at = NULL,
    enqueued_at = CASE WHEN m.rings THEN clock_timestamp() END,
    completed_at = NULL,
    cursor = CASE WHEN c.status <> 'completed' THEN c.cursor
        ELSE (SELECT max(n.id) FROM messages n WHERE n.campaign_id = c.id) END
FROM unnest(
    %(ids)s::bigint[], %(old)s::campaign_status[], %(new)s::campaign_status[], %(rings)s::bool[]
) AS m (id, old, new, rings)
WHERE c.id = m.id AND c.status = m.old
