DELETE FROM stop_replies WHERE phone IN (SELECT '+' || number FROM unnest(%(numbers)s::text[]) AS number)
