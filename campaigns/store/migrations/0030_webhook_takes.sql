-- Adds the takes of webhook bodies: docs/decisions/0123. The table is new and empty. An older process does not know the
-- table, so while old and new processes apply webhooks side by side, both may apply the same body. The second finds
-- nothing to change.
CREATE TABLE webhook_takes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_ids bigint[] NOT NULL,
    until timestamptz NOT NULL,
    counts boolean NOT NULL DEFAULT true
);
