SELECT id FROM campaigns
WHERE status IN ('pending', 'scheduled', 'running', 'paused')
    OR greatest(completed_at, cancelled_at) > clock_timestamp() - interval '7 days'
ORDER BY created_at, id
