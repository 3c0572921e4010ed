-- What Meta says of a template by webhook; an older event than the last one changes nothing.
UPDATE templates
SET status = %(status)s, status_at = coalesce(%(at)s, clock_timestamp()),
    blocked_until = CASE WHEN %(status)s <> 'approved'
        THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END
WHERE name = %(name)s AND language = %(language)s AND (%(at)s::timestamptz IS NULL OR status_at <= %(at)s)
RETURNING id
