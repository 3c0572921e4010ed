-- The same in campaigns that a person has paused: they stay paused. The tallies tell where there is something to do.
WITH expired AS (
    UPDATE messages m SET status = unless_doubted(m.doubted, 'expired'), not_before = NULL
    FROM campaigns c
    WHERE c.id = m.campaign_id AND c.status = 'paused' AND c.expire_at <= clock_timestamp()
        AND m.status = 'pending'
        AND m.campaign_id IN (SELECT t.campaign_id FROM tallies t WHERE t.status = 'pending' AND t.count > 0)
    RETURNING m.campaign_id
)
SELECT campaign_id, count(*) FROM expired GROUP BY campaign_id ORDER BY campaign_id
