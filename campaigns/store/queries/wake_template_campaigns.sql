-- The reason to wait is gone: due now, and marked as rung (the caller rings). A campaign may send by accounts of several
-- WABAs, so whoever waits for a template of this name looks anew.
UPDATE campaigns
SET due_at = NULL, enqueued_at = clock_timestamp()
WHERE status = 'running' AND waiting_reason = 'template' AND template_id IN (
    SELECT same.id FROM templates t JOIN templates same ON same.name = t.name AND same.language = t.language
    WHERE t.id = ANY (%(template_ids)s))
RETURNING id
