-- When the last requested check began. A task that comes twice, or days later, sees that the check was made already.
ALTER TABLE accounts ADD COLUMN health_begun_at timestamptz;
