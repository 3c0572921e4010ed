-- Adds the kept sums of what Meta reports about the prices of messages, so that pages need not read all messages. The
-- tables are new and empty, so the migration waits for no lock. The role `files` fills them by and by, also for the
-- campaigns of the past. An older process does not know the tables.
CREATE TABLE charge_counts (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    counted_at timestamptz NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),
    people jsonb NOT NULL CHECK (jsonb_typeof(people) = 'object'),
    categories text[] NOT NULL,
    first_day date NOT NULL
);

CREATE TABLE charges (
    campaign_id bigint NOT NULL REFERENCES charge_counts ON DELETE CASCADE,
    account_id bigint,
    country text NOT NULL,
    category text NOT NULL,
    day date NOT NULL,
    is_billable boolean,
    count bigint NOT NULL CHECK (count > 0)
);
CREATE INDEX charges_by_campaign ON charges (campaign_id, day);
CREATE INDEX charges_by_day ON charges (day, campaign_id);
