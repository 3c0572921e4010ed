-- When so many people have left that a slot is free: `excess` is how far the limit is exceeded (lowered meanwhile).
SELECT until FROM portfolio_people WHERE portfolio_id = %(portfolio_id)s
ORDER BY until
OFFSET %(excess)s LIMIT 1
