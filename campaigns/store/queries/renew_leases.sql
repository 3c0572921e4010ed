-- All leases of this process in one statement, each only while it is still ours. What does not come back is lost.
UPDATE leases l
SET until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
WHERE l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch AND l.until > clock_timestamp()
RETURNING l.campaign_id
