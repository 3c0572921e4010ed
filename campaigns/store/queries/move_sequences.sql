-- New messages and campaigns get no id that a forgotten one may have had: webhooks still speak of those.
SELECT setval(pg_get_serial_sequence('messages', 'id'), nextval(pg_get_serial_sequence('messages', 'id')) + %(message_ids)s),
    setval(pg_get_serial_sequence('campaigns', 'id'), nextval(pg_get_serial_sequence('campaigns', 'id')) + %(campaign_ids)s)
