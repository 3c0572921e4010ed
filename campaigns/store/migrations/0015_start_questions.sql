-- Keeps what a person saw when a draft was made, and the facts about each imported file that a person is warned of
-- again before a start. The migration rewrites no table, because both columns may be empty. It locks both tables for
-- some milliseconds. A draft of an older version has no such facts, so its start does not name them.
ALTER TABLE campaigns ADD COLUMN made_with jsonb;
ALTER TABLE imports ADD COLUMN facts jsonb;
