-- Adds to the audit which token and which request of the API made a change: docs/decisions/0120. The columns have no
-- default, so no row is written; the CHECK reads the table once. An older process leaves the columns empty.
ALTER TABLE audit_events
    ADD COLUMN token_id bigint,
    ADD COLUMN request_id text,
    ADD CONSTRAINT only_the_api_has_tokens CHECK (token_id IS NULL OR surface = 'api');
