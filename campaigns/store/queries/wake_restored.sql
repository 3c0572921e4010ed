-- Campaigns that got messages back: a running one that waits for a later try, or for a window, is looked at now.
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE c.id = ANY (%(campaign_ids)s::bigint[]) AND c.status = 'running'
RETURNING c.id
