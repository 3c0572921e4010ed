-- What was not claimed yet is cancelled with its campaign; what is on the wire stays, its reply settles it. The tallies
-- tell where there is something to do, so a second look costs nothing.
UPDATE messages m SET status = unless_doubted(m.doubted, 'cancelled'), not_before = NULL
WHERE status = 'pending'
    AND campaign_id IN (
        SELECT t.campaign_id FROM tallies t
        WHERE t.campaign_id = ANY (%(campaign_ids)s) AND t.status = 'pending' AND t.count > 0
    )
