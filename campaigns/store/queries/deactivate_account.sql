UPDATE accounts SET active = false, inactive_reason = %(reason)s
WHERE id = %(account_id)s AND active
