-- Campaigns that may have sent something since the state of this database, with what a recovery makes of each. Locked in
-- their order, so that none begins meanwhile. `is_done`: a recovery from this restore has been here before (it ran after
-- `since`), or the campaign was made after it.
SELECT c.id, c.name, c.status::text AS status,
    (sum(t.count) FILTER (WHERE t.status IN ('pending', 'sending')))::bigint AS count,
    c.status IN ('scheduled', 'paused') AND c.started_at IS NULL AND coalesce(c.scheduled_at > clock_timestamp(), false)
        AS is_ahead,
    coalesce(greatest(c.recovered_at, CASE WHEN c.created_at > i.recovered_at THEN c.created_at END)
        >= %(since)s AND i.recovered_at >= %(since)s, false) AS is_done
FROM (SELECT * FROM campaigns ORDER BY id FOR NO KEY UPDATE) c
CROSS JOIN installation i
LEFT JOIN tallies t ON t.campaign_id = c.id
GROUP BY c.id, c.name, c.status, c.scheduled_at, c.started_at, c.created_at, c.recovered_at, i.recovered_at
HAVING sum(t.count) FILTER (WHERE t.status IN ('pending', 'sending')) > 0
ORDER BY c.id
