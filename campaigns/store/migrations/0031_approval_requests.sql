-- Adds the requests for an approval of a campaign: docs/decisions/0063. The table is new and empty. An older process does
-- not know the table, so an approval by an older process leaves the request there. Newer processes do not show a request
-- whose content is approved.
-- The newest request for an approval of each campaign. `digest`: as in `approvals`, of the content for which the person
-- asked. An approval deletes the request.
CREATE TABLE approval_requests (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    asked_by text NOT NULL CHECK (asked_by <> ''),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
