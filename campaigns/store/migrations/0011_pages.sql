-- Pages of campaigns and of suppressions, the newest first, are read by these indexes. CREATE INDEX locks its table
-- against writes, not against reads, until the migration commits: for as long as it takes to index the campaigns and
-- then the suppressions. Until then no opt-out is written, and no campaign starts, ends or changes. These transactions
-- wait for the migration. The receiver stores webhooks in another table, so no opt-out is lost.
CREATE INDEX campaigns_by_status ON campaigns (status, created_at, id) WHERE test_of IS NULL;
CREATE INDEX suppressions_by_time ON suppressions (source, at, recipient_key) WHERE is_active;
