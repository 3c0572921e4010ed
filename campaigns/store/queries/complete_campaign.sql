-- Completion is believed only from the rows themselves: one pass over the campaign, once in its life. The caller has
-- locked the campaign, so no release (which takes it FOR SHARE) can slip a message back in behind the look.
UPDATE campaigns c
SET status = 'completed', completed_at = clock_timestamp(), waiting_reason = NULL, due_at = NULL, enqueued_at = NULL
FROM leases l
WHERE c.id = %(campaign_id)s AND c.status = 'running'
    AND l.campaign_id = c.id AND l.epoch = %(epoch)s
    AND NOT EXISTS (SELECT FROM messages m WHERE m.campaign_id = c.id AND m.status IN ('pending', 'sending'))
RETURNING c.started_at, c.completed_at
