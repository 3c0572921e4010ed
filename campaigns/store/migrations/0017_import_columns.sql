-- Adds to each imported file the columns that were read, so that another file with the same header is read in the same
-- way. The migration rewrites no table, because the new column has no default. Older workers leave it empty.
ALTER TABLE imports ADD COLUMN columns jsonb;
