-- The doorbell could not be rung: the next tick may try at once.
UPDATE campaigns SET enqueued_at = NULL WHERE id = ANY (%(campaign_ids)s) AND enqueued_at IS NOT NULL
