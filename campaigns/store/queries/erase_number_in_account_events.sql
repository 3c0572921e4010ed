UPDATE account_events SET details = replace(details::text, %(number)s, '0')::jsonb
WHERE position(%(number)s IN details::text) > 0
