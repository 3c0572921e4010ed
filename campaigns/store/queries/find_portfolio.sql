-- By name, else by id: a name of digits is a name first.
SELECT id FROM portfolios WHERE name = %(word)s OR id::text = %(word)s
ORDER BY name = %(word)s DESC
LIMIT 1
