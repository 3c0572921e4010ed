DELETE FROM suppressions WHERE recipient_key = %(recipient_key)s
