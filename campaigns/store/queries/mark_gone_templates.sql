-- Templates of a WABA that a complete read did not list: marked, never deleted, since campaigns refer to them.
UPDATE templates t
SET status = 'deleted', status_at = %(as_of)s, synced_at = %(read_at)s,
    blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE t.waba_id = %(waba_id)s AND t.status <> 'deleted' AND t.status_at <= %(as_of)s AND t.synced_at < %(read_at)s
    AND NOT EXISTS (
        SELECT FROM jsonb_to_recordset(%(listed)s) AS r (name text, language text)
        WHERE r.name = t.name AND r.language = t.language)
RETURNING t.id, t.name, t.language
