-- Failed messages of a campaign by code, for a person who thinks of a retry: how many, and how many of them (and until
-- when the last) must wait, because their code asks for so many seconds after the failure.
SELECT m.error_code, min(m.error_title) AS title, count(*) AS count,
    count(*) FILTER (WHERE m.failed_at + w.pause > clock_timestamp()) AS waiting_count,
    max(m.failed_at + w.pause) FILTER (WHERE m.failed_at + w.pause > clock_timestamp()) AS waits_until
FROM messages m
LEFT JOIN (
    SELECT code, make_interval(secs => seconds) AS pause
    FROM unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS t (code, seconds)
) w ON w.code = m.error_code
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'failed'
GROUP BY m.error_code
ORDER BY count(*) DESC, m.error_code
