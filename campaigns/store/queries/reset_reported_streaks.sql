-- A message sent since the last activation was sent or delivered, says Meta: the streak of reported failures ends.
UPDATE accounts a
SET consecutive_reported = 0, reported = '[]'
WHERE a.id = ANY (%(account_ids)s) AND a.consecutive_reported > 0 AND a.active
