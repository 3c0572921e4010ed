-- Messages that have waited for their webhook longer than the grace, by campaign, where some do so since the last look:
-- so each is reported once. A campaign is read four times per grace at the most, and only while its tally holds
-- uncertain messages.
WITH looked AS (
    UPDATE campaigns c SET uncertain_told_at = clock_timestamp()
    FROM tallies t
    WHERE t.campaign_id = c.id AND t.status = 'uncertain' AND t.count > 0
        AND (c.uncertain_told_at IS NULL
            OR c.uncertain_told_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s / 4))
    RETURNING c.id, coalesce(old.uncertain_told_at, '-infinity') AS before
)
SELECT m.campaign_id, count(*), min(m.claimed_at)
FROM looked l
JOIN messages m ON m.campaign_id = l.id AND m.status = 'uncertain'
WHERE m.claimed_at < clock_timestamp() - make_interval(secs => %(grace_seconds)s)
GROUP BY m.campaign_id, l.before
HAVING max(m.claimed_at) >= l.before - make_interval(secs => %(grace_seconds)s)
ORDER BY m.campaign_id
