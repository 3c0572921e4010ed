-- A test sends what the first people get to other phones: the person's variables there are theirs too.
UPDATE messages t SET variables = '{}'
FROM campaigns c
JOIN messages m ON m.campaign_id = c.test_of
WHERE t.campaign_id = c.id AND m.recipient_key = %(recipient_key)s
    AND t.variables = m.variables AND t.status NOT IN ('pending', 'sending')
