-- A look at the last messages of each campaign, by the index that claims use: those that left last stand before the
-- cursor, or at the end where it has come back to the start.
SELECT m.account_id, count(*),
    count(*) FILTER (WHERE m.status IN ('delivered', 'read', 'failed') OR m.pricing_category IS NOT NULL)
FROM campaigns c
CROSS JOIN LATERAL (
    SELECT n.account_id, n.status, n.sent_at, n.pricing_category
    FROM messages n
    WHERE n.campaign_id = c.id AND (c.cursor = 0 OR n.id <= c.cursor)
    ORDER BY n.id DESC LIMIT %(sample_count)s
) m
WHERE c.id = ANY (%(campaign_ids)s)
    AND m.sent_at BETWEEN clock_timestamp() - interval '1 hour'
        AND clock_timestamp() - make_interval(secs => %(webhook_seconds)s)
GROUP BY m.account_id
