-- Which of my campaigns may go on.
SELECT l.campaign_id
FROM unnest(%(campaign_ids)s::bigint[], %(epochs)s::bigint[]) AS mine (campaign_id, epoch)
JOIN leases l ON l.campaign_id = mine.campaign_id AND l.epoch = mine.epoch
JOIN campaigns c ON c.id = l.campaign_id
WHERE c.status = 'running'
