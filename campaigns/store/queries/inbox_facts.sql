-- What waits to be applied for the first time (unmatched events come back by themselves), and what a person must see.
SELECT
    count(*) FILTER (WHERE status = 'stored'),
    coalesce(extract(epoch FROM clock_timestamp() - min(received_at) FILTER (WHERE status = 'stored')), 0)::float8,
    count(*) FILTER (WHERE status = 'set_aside'),
    coalesce((array_agg(DISTINCT reason) FILTER (WHERE status = 'set_aside'))[:%(reasons)s], '{}')
FROM webhook_events
