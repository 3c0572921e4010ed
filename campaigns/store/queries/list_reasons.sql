-- Why messages of a campaign are uncertain, failed, skipped by its cap per person (as the claims word it), or skipped
-- because an answer waits for review (code -2), with the times of the oldest and the newest. The query reads the whole
-- campaign once, for a command of a person, and only if the counters show such messages.
SELECT m.status::text AS status, m.error_code, m.error_title, count(*) AS count,
    min(coalesce(m.failed_at, m.claimed_at)) AS oldest_at, max(coalesce(m.failed_at, m.claimed_at)) AS newest_at, min(m.id) AS first_message_id
FROM messages m
WHERE m.campaign_id = %(campaign_id)s
    AND (m.status IN ('uncertain', 'failed')
        OR (m.status = 'suppressed'
            AND (m.error_code = -2 OR m.error_title = 'the person had as many messages as the campaign allows')))
    AND EXISTS (
        SELECT FROM tallies t
        WHERE t.campaign_id = %(campaign_id)s AND t.status IN ('uncertain', 'failed', 'suppressed') AND t.count > 0
    )
GROUP BY m.status, m.error_code, m.error_title
ORDER BY m.status DESC, count(*) DESC, m.error_code
