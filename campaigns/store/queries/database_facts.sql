-- Settings are those of this very session: what the server, the database or the role says may be overruled.
SELECT
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
    current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit'),
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
    current_setting('max_connections')::integer,
    extract(epoch FROM clock_timestamp())::float8
