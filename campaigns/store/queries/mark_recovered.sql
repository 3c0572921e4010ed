-- Remembers that a recovery was here. A campaign with doubted messages may have begun, whatever its status was.
UPDATE campaigns SET recovered_at = clock_timestamp(),
    started_at = CASE WHEN id = ANY (%(doubted_ids)s) THEN coalesce(started_at, clock_timestamp()) ELSE started_at END
WHERE id = ANY (%(campaign_ids)s)
