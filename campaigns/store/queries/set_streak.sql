UPDATE accounts
SET failures = %(failures)s, consecutive_failures = jsonb_array_length(%(failures)s),
    block_count = CASE WHEN %(has_success)s THEN 0 ELSE block_count END,
    active = active AND %(inactive_reason)s::text IS NULL,
    inactive_reason = CASE WHEN active THEN %(inactive_reason)s::text ELSE inactive_reason END
WHERE id = %(account_id)s AND activated_at = %(activated_at)s
