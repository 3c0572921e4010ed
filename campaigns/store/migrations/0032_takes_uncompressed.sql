-- Stores the ids of a take as they are: docs/decisions/0123. To compress thousands of ids cost as much CPU time as to
-- find their bodies. A take lives for seconds, and the ids are read again while it lives. Only the catalogue changes, and
-- older processes write and read the column as before.
ALTER TABLE webhook_takes ALTER COLUMN event_ids SET STORAGE EXTERNAL;
