-- When the check that was asked for last began: a task that comes twice, or days later, finds that it is done.
ALTER TABLE accounts ADD COLUMN health_begun_at timestamptz;
