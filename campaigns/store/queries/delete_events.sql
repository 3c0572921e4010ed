DELETE FROM webhook_events WHERE id = ANY (%(ids)s)
