-- The last readable answer stays; beside it stands why the newest check has none.
UPDATE accounts SET health = health || jsonb_build_object('error', %(reason)s::text)
WHERE id = %(account_id)s
RETURNING (old.health ->> 'error') IS DISTINCT FROM %(reason)s::text
