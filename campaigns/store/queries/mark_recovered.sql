-- Remembers that a recovery was here: the first one after a restore has been in all campaigns but those that a person
-- vouches for, also where nothing is left to send. One with doubted messages may have begun, whatever its status was.
UPDATE campaigns SET recovered_at = clock_timestamp(),
    started_at = CASE WHEN id = ANY (%(doubted_ids)s) THEN coalesce(started_at, clock_timestamp()) ELSE started_at END
WHERE id = ANY (%(campaign_ids)s) OR (%(is_first)s AND id <> ALL (%(spared_ids)s))
