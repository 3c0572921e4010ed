-- Makes running campaigns with restored messages due now, also if they wait for a later try or for a window.
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE c.id = ANY (%(campaign_ids)s::bigint[]) AND c.status = 'running'
RETURNING c.id
