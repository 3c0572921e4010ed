-- Adds how many accepted messages of each account and hour arrived and were read: docs/decisions/0110. Both tables are
-- empty, so the migration takes no time. Older versions do not write to them.
CREATE TABLE account_receipts (
    account_id bigint NOT NULL,
    at timestamptz NOT NULL,
    hours smallint NOT NULL CHECK (hours > 0),
    accepted bigint NOT NULL,
    delivered bigint NOT NULL,
    read bigint NOT NULL,
    PRIMARY KEY (account_id, at, hours),
    CONSTRAINT parts_are_parts CHECK (read BETWEEN 0 AND delivered AND delivered <= accepted)
);
CREATE INDEX account_receipts_by_time ON account_receipts (at);

CREATE TABLE receipt_positions (
    campaign_id bigint NOT NULL,
    hours smallint NOT NULL CHECK (hours > 0),
    last_id bigint NOT NULL DEFAULT 0,
    due_at timestamptz DEFAULT now(),
    PRIMARY KEY (campaign_id, hours)
);
CREATE INDEX receipt_positions_due ON receipt_positions (due_at) WHERE due_at IS NOT NULL;
