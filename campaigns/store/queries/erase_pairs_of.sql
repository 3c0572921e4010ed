-- A user id is the person's own, so its pairs with other numbers go, too.
DELETE FROM user_ids WHERE recipient_key = %(recipient_key)s OR user_id = ANY (%(user_ids)s::text[])
