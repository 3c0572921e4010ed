SELECT EXISTS (
    SELECT FROM webhook_events e, unnest(%(numbers)s::text[]) AS number
    WHERE e.status = 'stored' AND position(convert_to(number, 'UTF8') IN e.body) > 0
)
