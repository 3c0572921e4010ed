-- A user id belongs to one person, so its pairs with other numbers are deleted, too.
DELETE FROM user_ids WHERE recipient_key = %(recipient_key)s OR user_id = ANY (%(user_ids)s::text[])
