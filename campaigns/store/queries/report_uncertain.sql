-- Messages that have waited for their webhook longer than the grace, by campaign; read from the rows of campaigns
-- whose tally holds uncertain ones.
SELECT m.campaign_id, count(*), min(m.claimed_at)
FROM tallies t
JOIN messages m ON m.campaign_id = t.campaign_id AND m.status = 'uncertain'
WHERE t.status = 'uncertain' AND t.count > 0
    AND m.claimed_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
GROUP BY m.campaign_id ORDER BY m.campaign_id
