-- Who may send or write now: connections of processes of Revoada (commands have another name), and leases that live.
SELECT
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %(process)s AND pid <> pg_backend_pid()),
    (SELECT min(campaign_id) FROM leases WHERE until > clock_timestamp()),
    (SELECT max(until) FROM leases WHERE until > clock_timestamp())
