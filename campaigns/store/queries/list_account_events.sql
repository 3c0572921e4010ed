-- The last ones, newest first.
SELECT id, at, kind, details FROM account_events
WHERE account_id = %(account_id)s
ORDER BY id DESC
LIMIT %(limit)s
