-- How many unsent messages of a campaign go to people in these zones. The query reads the whole campaign once. It runs
-- only if the window is never open in one of the zones.
SELECT count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending' AND m.zone_id = ANY (%(zone_ids)s::smallint[])
