UPDATE accounts SET health = %(health)s, health_checked_at = clock_timestamp() WHERE id = %(account_id)s
