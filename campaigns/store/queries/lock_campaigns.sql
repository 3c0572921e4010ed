-- Campaigns that a person is about to move or change, locked in their order. The lock keeps runners, releases and other
-- people out until the decision is written.
SELECT
    c.id, c.name, c.status::text AS status, c.template_id, c.parameters, c.columns, c.scheduled_at,
    c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after, c.pause_seconds, c.window_from,
    c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays, c.waiting_reason, c.started_at,
    c.recipient_count, clock_timestamp() AS server_now,
    (SELECT count(*) FROM campaign_accounts a WHERE a.campaign_id = c.id) AS account_count
FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR NO KEY UPDATE OF c
