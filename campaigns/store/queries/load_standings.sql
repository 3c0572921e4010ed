-- Rows of messages are read only where a counter says that some are uncertain.
SELECT
    c.id AS campaign_id,
    CASE WHEN l.until > clock_timestamp() THEN l.owner END AS lease_owner,
    CASE WHEN l.until > clock_timestamp() THEN l.until END AS lease_until,
    l.next_message_at, t.blocked_until AS template_blocked_until,
    CASE WHEN EXISTS (
        SELECT FROM tallies y WHERE y.campaign_id = c.id AND y.status = 'uncertain' AND y.count > 0
    ) THEN (
        SELECT min(m.claimed_at) FROM messages m WHERE m.campaign_id = c.id AND m.status = 'uncertain'
    ) END AS uncertain_since
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN leases l ON l.campaign_id = c.id
WHERE c.id = ANY (%(campaign_ids)s)
