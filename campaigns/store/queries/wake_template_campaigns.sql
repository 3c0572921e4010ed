-- The reason to wait is gone: due now, and marked as rung (the caller rings).
UPDATE campaigns
SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE template_id = ANY (%(template_ids)s) AND status = 'running' AND waiting_reason = 'template'
RETURNING id
