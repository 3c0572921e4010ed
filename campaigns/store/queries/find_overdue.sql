-- Campaigns that ended so many days ago and were not erased yet, with how many of their messages still have a phone.
SELECT c.id, c.name, (SELECT count(*) FROM messages m WHERE m.campaign_id = c.id AND m.phone IS NOT NULL)
FROM campaigns c
WHERE c.erased_at IS NULL AND c.status IN ('completed', 'cancelled')
    AND coalesce(c.completed_at, c.cancelled_at) < clock_timestamp() - make_interval(days => %(days)s)
ORDER BY c.id
