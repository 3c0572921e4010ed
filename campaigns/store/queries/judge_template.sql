-- What Meta says of a template by webhook: of the WABA's own, and of one that a person added for any. An older event
-- than the last one changes nothing.
UPDATE templates
SET status = %(status)s, status_at = coalesce(%(at)s, clock_timestamp()),
    blocked_until = CASE WHEN %(status)s <> 'approved'
        THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END
WHERE name = %(name)s AND language = %(language)s AND waba_id IN (%(waba_id)s, '')
    AND (%(at)s::timestamptz IS NULL OR status_at <= %(at)s)
RETURNING id
