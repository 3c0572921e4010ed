DELETE FROM suppressions WHERE recipient_key = ANY (%(keys)s::text[])
