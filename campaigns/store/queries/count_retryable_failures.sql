-- Failed messages, which a person may have sent again in the forgotten time.
SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status = 'failed'
