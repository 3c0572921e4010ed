-- Groups the rows that did not become messages by the kind of their problem. Rows of repeated people are kept in the
-- same table, with codes of their own.
ALTER TABLE import_errors ADD COLUMN code text NOT NULL DEFAULT 'row_invalid';
