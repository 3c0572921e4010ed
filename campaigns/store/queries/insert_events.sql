INSERT INTO webhook_events (body) SELECT unnest(%(bodies)s::bytea[])
