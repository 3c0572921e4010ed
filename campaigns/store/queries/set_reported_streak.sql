UPDATE accounts
SET reported = %(failures)s, consecutive_reported = jsonb_array_length(%(failures)s),
    active = active AND %(inactive_reason)s::text IS NULL,
    inactive_reason = CASE WHEN active THEN %(inactive_reason)s::text ELSE inactive_reason END
WHERE id = %(account_id)s AND activated_at = %(activated_at)s
