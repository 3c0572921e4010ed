-- Claims the last requested check, once: a task that comes twice, or after a later task, finds no row.
UPDATE accounts SET health_begun_at = clock_timestamp()
WHERE id = %(account_id)s AND health_asked_at > coalesce(health_begun_at, '-infinity')
RETURNING id
