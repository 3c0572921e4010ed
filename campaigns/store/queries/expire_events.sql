-- What nothing has matched for days, and what nobody has looked at.
DELETE FROM webhook_events WHERE expires_at <= clock_timestamp() RETURNING status
