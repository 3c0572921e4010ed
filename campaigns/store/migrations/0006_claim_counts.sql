-- Lets a worker notice that this database is older than the messages that were sent. `claim_count` has no value for the
-- claims of before, so it starts at 0.
ALTER TABLE leases ADD COLUMN claim_count bigint NOT NULL DEFAULT 0;
ALTER TABLE installation ADD COLUMN found_older_at timestamptz;
