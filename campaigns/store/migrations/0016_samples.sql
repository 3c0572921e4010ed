-- Adds the numbers of campaigns and accounts over time, and the switch with which a person stops the live numbers of
-- the pages. The new tables are empty, and a new column with a constant default rewrites no table, so the migration
-- takes no time. Older workers do not count the replies of accounts, so until they are gone the numbers of accounts
-- lack their replies.
ALTER TABLE users ADD COLUMN wants_updates boolean NOT NULL DEFAULT true;

CREATE TABLE campaign_samples (
    campaign_id bigint NOT NULL,
    step text NOT NULL CHECK (step IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,
    read_at timestamptz NOT NULL,
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),
    done_count bigint NOT NULL,
    rate double precision CHECK (rate >= 0),
    PRIMARY KEY (campaign_id, step, at)
);
CREATE INDEX campaign_samples_by_time ON campaign_samples (step, at);

CREATE TABLE account_samples (
    account_id bigint NOT NULL,
    step text NOT NULL CHECK (step IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,
    accepted bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,
    uncertain bigint NOT NULL DEFAULT 0,
    failed_recipient bigint NOT NULL DEFAULT 0,
    failed_message bigint NOT NULL DEFAULT 0,
    failed_template bigint NOT NULL DEFAULT 0,
    failed_account bigint NOT NULL DEFAULT 0,
    failed_server bigint NOT NULL DEFAULT 0,
    failed_ours bigint NOT NULL DEFAULT 0,
    failed_unknown bigint NOT NULL DEFAULT 0,
    rate double precision CHECK (rate >= 0),
    quality text,
    PRIMARY KEY (account_id, step, at)
);
CREATE INDEX account_samples_by_time ON account_samples (step, at);
