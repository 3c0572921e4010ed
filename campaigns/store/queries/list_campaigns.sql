-- Campaigns as people see them, oldest first; `campaign_ids` NULL: all but the tests of others.
SELECT
    c.id, c.name, c.status::text AS status, c.test_of, t.name AS template_name, t.language, t.status AS template_status,
    c.parameters, c.columns, c.scheduled_at, c.start_within_seconds, c.expire_at, c.max_per_person, c.within_days, c.interval_seconds, c.pause_after,
    c.pause_seconds, c.window_from, c.window_to, c.weekdays, c.time_zone, c.uses_recipient_zones, c.holidays,
    c.waiting_reason, c.due_at, c.enqueued_at, c.recipient_count, c.duplicate_count, c.rejected_count,
    c.created_at, c.started_at, c.completed_at, clock_timestamp() AS server_now,
    coalesce(n.counts, '{}') AS counts
FROM campaigns c
JOIN templates t ON t.id = c.template_id
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(y.status, y.count ORDER BY y.status) AS counts
    FROM tallies y WHERE y.campaign_id = c.id AND y.count <> 0
) n ON true
WHERE (%(campaign_ids)s::bigint[] IS NULL AND c.test_of IS NULL) OR c.id = ANY (%(campaign_ids)s)
ORDER BY c.created_at, c.id
