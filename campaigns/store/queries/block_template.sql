-- Meta refused the template itself: its campaigns wait, then one message tries it again. What a webhook said of it
-- stays (`status_at` is Meta's time, not ours).
UPDATE templates
SET status = %(status)s, blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE id = %(template_id)s AND (blocked_until IS NULL OR blocked_until <= clock_timestamp())
RETURNING blocked_until
