UPDATE webhook_events SET status = 'set_aside', reason = %(reason)s,
    expires_at = clock_timestamp() + make_interval(secs => %(keep_seconds)s)
WHERE id = %(event_id)s
