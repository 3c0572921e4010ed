SELECT EXISTS (
    SELECT FROM webhook_events e, unnest(%(names)s::text[]) AS name
    WHERE e.status = 'stored' AND position(convert_to(name, 'UTF8') IN e.body) > 0
)
