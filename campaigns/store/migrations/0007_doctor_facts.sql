-- Lets `revoada doctor` say since when no worker has taken a campaign, and which limits of a worker are too low. NULL
-- means that this is not known, or that there is no limit.
ALTER TABLE campaigns ADD COLUMN untaken_since timestamptz;
ALTER TABLE workers ADD COLUMN descriptor_limit integer;
ALTER TABLE workers ADD COLUMN memory_limit_mb integer;
