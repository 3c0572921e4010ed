-- Who is forgotten keeps a slot, without a name: Meta counts the person all the same.
UPDATE portfolio_people SET recipient_key = 'erased.' || gen_random_uuid() WHERE recipient_key = %(recipient_key)s
