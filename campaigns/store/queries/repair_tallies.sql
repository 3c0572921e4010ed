-- Adds to each counter what it lacks. Both sides are read by one snapshot, in which every commit has changed rows and
-- counter alike; and like the triggers this adds, so what commits meanwhile is added as well and nothing is lost.
WITH recounted AS (
    SELECT campaign_id, status, count(*) AS count FROM messages
    WHERE campaign_id = ANY (%(campaign_ids)s) GROUP BY 1, 2
), counted AS (
    SELECT campaign_id, status, count FROM tallies WHERE campaign_id = ANY (%(campaign_ids)s)
), differing AS (
    SELECT campaign_id, status, coalesce(r.count, 0) - coalesce(t.count, 0) AS change
    FROM recounted r FULL JOIN counted t USING (campaign_id, status)
    WHERE coalesce(r.count, 0) <> coalesce(t.count, 0)
), repaired AS (
    INSERT INTO tallies AS t (campaign_id, status, count)
    SELECT campaign_id, status, change FROM differing ORDER BY 1, 2
    ON CONFLICT (campaign_id, status) DO UPDATE SET count = t.count + excluded.count
)
SELECT campaign_id, status::text, change FROM differing ORDER BY campaign_id, differing.status
