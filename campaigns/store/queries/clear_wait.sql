-- The campaign sends again: it does not wait any more.
UPDATE campaigns SET waiting_reason = NULL, due_at = NULL
WHERE id = %(campaign_id)s AND status = 'running' AND waiting_reason IS NOT NULL
