INSERT INTO account_events (account_id, kind, details) VALUES (%(account_id)s, %(kind)s, %(details)s)
RETURNING id
