-- Decided changes of status, each only from the status it was decided on. Whatever a campaign waited for is over.
UPDATE campaigns c
SET status = m.new, waiting_reason = NULL, due_at = NULL,
    enqueued_at = CASE WHEN m.rings THEN clock_timestamp() END,
    cancelled_at = CASE WHEN m.new = 'cancelled' THEN clock_timestamp() END
FROM unnest(
    %(ids)s::bigint[], %(old)s::campaign_status[], %(new)s::campaign_status[], %(rings)s::bool[]
) AS m (id, old, new, rings)
WHERE c.id = m.id AND c.status = m.old
