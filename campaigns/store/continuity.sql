-- name: load_identity
-- The identity of this database, and the position of its write-ahead log. `incarnation` consists of the identifiers of
-- the cluster, the timeline, the database and the table `leases`. So `incarnation` changes when Postgres fails over to
-- a replica, when Postgres is restored, and when the database or its tables are created again. `position`: the end of
-- the write-ahead log on disk, in bytes.
SELECT i.id AS installation,
    concat_ws('.',
        (SELECT system_identifier FROM pg_control_system()),
        left(pg_walfile_name(pg_current_wal_flush_lsn()), 8),
        (SELECT oid FROM pg_database WHERE datname = current_database()),
        'leases'::regclass::oid) AS incarnation,
    (pg_current_wal_flush_lsn() - '0/0')::bigint AS position,
    coalesce(to_char(i.recovered_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '') AS recovered_at,
    i.found_older_at
FROM installation i

-- name: load_found_older_at
-- This query also works on a standby. `load_identity` does not, because a standby cannot report `position`.
SELECT found_older_at FROM installation

-- name: load_claim_counts
-- The epoch of the lease and the number of claims of every campaign.
SELECT campaign_id, epoch, claim_count FROM leases ORDER BY campaign_id

-- name: note_older
UPDATE installation SET found_older_at = clock_timestamp() WHERE found_older_at IS NULL
