DELETE FROM optout_reviews WHERE recipient_key = ANY (%(keys)s::text[])
