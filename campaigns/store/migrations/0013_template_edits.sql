-- Adds to each template the time of the newest report about its text, so that a late report does not replace a newer
-- one. The migration rewrites no table, because a new column with a constant default needs no rewrite. It locks the
-- table of templates, which has few rows, for some milliseconds. Older workers do not write the new column, so until
-- they are gone the last report wins, as before.
ALTER TABLE templates ADD COLUMN components_at timestamptz NOT NULL DEFAULT '-infinity';
UPDATE templates SET components_at = synced_at WHERE synced_at IS NOT NULL;
