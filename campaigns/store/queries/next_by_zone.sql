-- When the first pending message of each zone may be tried, but for its window. One pass over the campaign, when a
-- runner found nothing to claim and the window is that of each person.
SELECT coalesce(m.zone_id, 0::smallint), min(coalesce(m.not_before, clock_timestamp()))
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
GROUP BY 1
