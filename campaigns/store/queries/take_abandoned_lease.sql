-- The lease of a campaign that nobody runs and that still has messages on the wire in its books: its runner died.
-- Taken by the same rule as any runner takes it, whatever the campaign's status is now.
UPDATE leases l
SET epoch = l.epoch + 1, until = clock_timestamp(), owner = ''
FROM tallies t
WHERE l.campaign_id = t.campaign_id AND t.status = 'sending' AND t.count > 0 AND l.until <= clock_timestamp()
RETURNING l.campaign_id
