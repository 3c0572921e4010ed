-- Who else writes to these people: campaigns that are alive, and those of the last days. Messages that will never leave
-- do not count. One hash of this campaign's people, and one walk over the messages of those campaigns: an index on the
-- person alone would cost every import a quarter of its time.
WITH others AS (
    SELECT c.id, c.name, c.status,
           CASE c.status
               WHEN 'draft' THEN c.created_at
               WHEN 'scheduled' THEN c.scheduled_at
               WHEN 'completed' THEN c.completed_at
               WHEN 'cancelled' THEN c.cancelled_at
               ELSE c.started_at
           END AS at,
           EXISTS (
               SELECT FROM imports theirs JOIN imports ours USING (file_sha256)
               WHERE theirs.campaign_id = c.id AND ours.campaign_id = %(campaign_id)s
           ) AS has_same_file
    FROM campaigns c
    WHERE c.id <> %(campaign_id)s AND c.test_of IS NULL
        AND (c.status IN ('pending', 'scheduled', 'running', 'paused')
             OR coalesce(c.completed_at, c.cancelled_at, c.started_at, c.created_at) > now() - make_interval(days => %(days)s))
), shared AS (
    SELECT theirs.campaign_id, count(*) AS shared_count
    FROM messages ours
    JOIN messages theirs USING (recipient_key)
    WHERE ours.campaign_id = %(campaign_id)s
        AND theirs.campaign_id = ANY (ARRAY (SELECT id FROM others))
        AND theirs.status NOT IN ('suppressed', 'cancelled')
    GROUP BY theirs.campaign_id
)
SELECT o.id AS campaign_id, o.name, o.status, o.at, now() AS server_now, coalesce(s.shared_count, 0) AS shared_count,
       c.recipient_count AS people_count, o.has_same_file
FROM others o
LEFT JOIN shared s ON s.campaign_id = o.id
JOIN campaigns c ON c.id = %(campaign_id)s
WHERE s.shared_count > 0 OR o.has_same_file
ORDER BY shared_count DESC, o.id
