-- The tables of version 0.1.0, for PostgreSQL 18. `schema.sql` describes the present tables and their columns.

CREATE TYPE campaign_status AS ENUM
    ('draft', 'pending', 'scheduled', 'running', 'paused', 'completed', 'cancelled');

CREATE TYPE message_status AS ENUM
    ('suppressed', 'cancelled', 'expired', 'pending', 'sending', 'uncertain', 'held', 'sent', 'failed', 'delivered', 'read');

CREATE TABLE installation (
    id text PRIMARY KEY DEFAULT lpad(to_hex((random() * 4294967295)::bigint), 8, '0') CHECK (id ~ '^[0-9a-f]{8}$'),
    recovered_at timestamptz,
    is_only boolean NOT NULL DEFAULT true UNIQUE CHECK (is_only),
    ticked_at timestamptz
);

CREATE TABLE workers (
    owner text PRIMARY KEY,
    name text NOT NULL,
    queues text[] NOT NULL,
    slots integer NOT NULL,
    running_count integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    consumed_at timestamptz NOT NULL,
    stalled_seconds double precision,
    skew_seconds double precision NOT NULL
);

CREATE TABLE portfolios (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    daily_limit integer NOT NULL CHECK (daily_limit > 0),
    people_count integer NOT NULL DEFAULT 0 CHECK (people_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

CREATE TABLE portfolio_people (
    portfolio_id bigint NOT NULL REFERENCES portfolios ON DELETE CASCADE,
    recipient_key text NOT NULL,
    until timestamptz NOT NULL,
    message_id bigint,
    PRIMARY KEY (portfolio_id, recipient_key)
);
CREATE INDEX portfolio_people_by_end ON portfolio_people (portfolio_id, until);
CREATE INDEX portfolio_people_by_message ON portfolio_people (message_id) WHERE message_id IS NOT NULL;

CREATE FUNCTION count_people() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE portfolios p SET people_count = p.people_count + n.count
        FROM (SELECT portfolio_id, count(*) FROM after GROUP BY 1) n WHERE p.id = n.portfolio_id;
    ELSE
        UPDATE portfolios p SET people_count = p.people_count - n.count
        FROM (SELECT portfolio_id, count(*) FROM before GROUP BY 1) n WHERE p.id = n.portfolio_id;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER people_inserted AFTER INSERT ON portfolio_people
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION count_people();
CREATE TRIGGER people_deleted AFTER DELETE ON portfolio_people
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION count_people();

CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    phone_number_id text NOT NULL UNIQUE CHECK (phone_number_id ~ '^[0-9]{1,32}$'),
    waba_id text NOT NULL CHECK (waba_id ~ '^[0-9]{1,32}$'),
    portfolio_id bigint REFERENCES portfolios,
    token bytea NOT NULL,
    messages_per_second integer NOT NULL DEFAULT 80 CHECK (messages_per_second BETWEEN 1 AND 1000000),
    failure_limit integer NOT NULL DEFAULT 5 CHECK (failure_limit > 0),
    active boolean NOT NULL DEFAULT true,
    inactive_reason text,
    activated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    consecutive_failures integer NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
    failures jsonb NOT NULL DEFAULT '[]',
    consecutive_reported integer NOT NULL DEFAULT 0 CHECK (consecutive_reported >= 0),
    reported jsonb NOT NULL DEFAULT '[]',
    blocked_until timestamptz,
    blocked_reason text,
    block_count integer NOT NULL DEFAULT 0 CHECK (block_count >= 0),
    health_asked_at timestamptz,
    health_checked_at timestamptz,
    health jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inactive_says_why CHECK (active = (inactive_reason IS NULL))
);

CREATE INDEX accounts_by_portfolio ON accounts (portfolio_id);

CREATE TABLE account_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN (
        'created', 'deactivated', 'activated', 'blocked', 'health_worse', 'health_better', 'health_failed',
        'reported')),
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX account_events_by_account ON account_events (account_id, id);

CREATE TABLE templates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    waba_id text NOT NULL DEFAULT '' CHECK (waba_id ~ '^[0-9]{0,32}$'),
    meta_id text,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]+$' AND length(name) <= 512),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(_[A-Za-z0-9]{2,4})?$'),
    components jsonb NOT NULL,
    status text NOT NULL DEFAULT 'approved',
    status_at timestamptz NOT NULL DEFAULT now(),
    category text NOT NULL DEFAULT '',
    category_at timestamptz NOT NULL DEFAULT '-infinity',
    quality text NOT NULL DEFAULT '',
    quality_at timestamptz NOT NULL DEFAULT '-infinity',
    blocked_until timestamptz,
    synced_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, language, waba_id)
);

CREATE TABLE campaigns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    status campaign_status NOT NULL DEFAULT 'draft',
    template_id bigint NOT NULL REFERENCES templates,
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    columns text[] NOT NULL DEFAULT '{}',
    test_of bigint REFERENCES campaigns ON DELETE CASCADE,
    scheduled_at timestamptz,
    start_within_seconds double precision CHECK (start_within_seconds > 0),
    expire_at timestamptz,
    max_per_person integer CHECK (max_per_person > 0),
    within_days integer CHECK (within_days BETWEEN 1 AND 366),
    interval_seconds double precision NOT NULL DEFAULT 0 CHECK (interval_seconds BETWEEN 0 AND 86400),
    pause_after integer CHECK (pause_after > 0),
    pause_seconds double precision CHECK (pause_seconds > 0),
    window_from time,
    window_to time,
    weekdays integer[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}' CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND weekdays <> '{}'),
    time_zone text NOT NULL,
    uses_recipient_zones boolean NOT NULL DEFAULT false,
    holidays text,
    waiting_reason text CHECK (waiting_reason IN
        ('interval', 'pause', 'window', 'retry', 'throttled', 'unreachable', 'no_active_account', 'template',
         'daily_limit')),
    due_at timestamptz,
    enqueued_at timestamptz,
    cursor bigint NOT NULL DEFAULT 0,
    recipient_count bigint NOT NULL DEFAULT 0,
    duplicate_count bigint NOT NULL DEFAULT 0,
    rejected_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz CHECK (cancelled_at IS NULL OR status = 'cancelled'),
    erased_at timestamptz,
    recovered_at timestamptz,
    uncertain_told_at timestamptz,
    CONSTRAINT cap_is_whole CHECK ((max_per_person IS NULL) = (within_days IS NULL)),
    CONSTRAINT pause_is_whole CHECK ((pause_after IS NULL) = (pause_seconds IS NULL)),
    CONSTRAINT lateness_has_a_schedule CHECK (start_within_seconds IS NULL OR scheduled_at IS NOT NULL),
    CONSTRAINT window_is_whole CHECK ((window_from IS NULL) = (window_to IS NULL)),
    CONSTRAINT only_running_waits CHECK (waiting_reason IS NULL OR status IN ('running', 'paused')),
    CONSTRAINT completed_says_when CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT running_has_started CHECK (status NOT IN ('running', 'completed') OR started_at IS NOT NULL)
) WITH (fillfactor = 50);
CREATE INDEX campaigns_alive ON campaigns (created_at, id) WHERE status IN ('pending', 'scheduled', 'running');

CREATE FUNCTION is_eligible(campaign campaigns, horizon timestamptz) RETURNS boolean
LANGUAGE sql STABLE
RETURN campaign.status IN ('pending', 'scheduled', 'running')
    AND (campaign.scheduled_at IS NULL OR campaign.scheduled_at <= now())
    AND (campaign.due_at IS NULL OR campaign.due_at <= horizon OR campaign.expire_at <= now());

CREATE TABLE campaign_accounts (
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    account_id bigint NOT NULL REFERENCES accounts,
    PRIMARY KEY (campaign_id, account_id)
);
CREATE INDEX campaign_accounts_by_account ON campaign_accounts (account_id);

CREATE TABLE campaign_zones (
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    id smallint NOT NULL CHECK (id > 0),
    names text NOT NULL CHECK (names <> ''),
    PRIMARY KEY (campaign_id, id),
    UNIQUE (campaign_id, names)
);

CREATE TABLE leases (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    epoch bigint NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT '-infinity',
    owner text NOT NULL DEFAULT '',
    next_message_at timestamptz,
    burst_count integer NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL,
    account_id bigint,
    not_before timestamptz,
    claimed_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    status message_status NOT NULL DEFAULT 'pending',
    error_code integer,
    send_no smallint NOT NULL DEFAULT 0,
    attempts smallint NOT NULL DEFAULT 0,
    pair_refusals smallint NOT NULL DEFAULT 0,
    doubted int4multirange,
    zone_id smallint,
    phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),
    recipient_key text,
    variables text[] NOT NULL DEFAULT '{}',
    consent text,
    refused_by bigint[],
    wamid text,
    error_title text,
    error_details text,
    pricing_category text,
    pricing_model text,
    is_billable boolean,
    CONSTRAINT one_message_per_person UNIQUE (campaign_id, recipient_key),
    CONSTRAINT erased_is_whole CHECK ((phone IS NULL) = (recipient_key IS NULL)
        AND (phone IS NOT NULL OR (variables = '{}' AND consent IS NULL))),
    CONSTRAINT only_ended_is_erased CHECK (phone IS NOT NULL OR status NOT IN ('pending', 'sending')),
    CONSTRAINT attempts_are_sends CHECK (attempts BETWEEN 0 AND send_no),
    CONSTRAINT only_pending_waits CHECK (not_before IS NULL OR status = 'pending'),
    CONSTRAINT sending_is_claimed CHECK (status < 'sending'
        OR (claimed_at IS NOT NULL AND send_no > 0 AND (account_id IS NOT NULL OR (doubted IS NOT NULL AND status > 'sending')))),
    CONSTRAINT accepted_has_wamid CHECK (status NOT IN ('held', 'sent', 'delivered', 'read') OR wamid IS NOT NULL),
    CONSTRAINT sent_says_when CHECK (status NOT IN ('sent', 'delivered', 'read') OR sent_at IS NOT NULL),
    CONSTRAINT failed_says_why CHECK (status <> 'failed' OR (failed_at IS NOT NULL AND error_title IS NOT NULL)),
    CONSTRAINT uncertain_says_why CHECK (status <> 'uncertain' OR error_title IS NOT NULL)
) WITH (
    fillfactor = 45,
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
CREATE INDEX messages_in_order ON messages (campaign_id, id);
CREATE INDEX messages_released ON messages (campaign_id, not_before) WHERE not_before IS NOT NULL;
CREATE INDEX messages_by_wamid ON messages USING hash (wamid) WHERE wamid IS NOT NULL;

CREATE FUNCTION counts_for(
    status message_status, send_no smallint, doubted int4multirange, told_send_no integer, told message_status
) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted @> send_no::integer THEN doubted @> told_send_no ELSE told_send_no = send_no END
    AND (status >= 'sending'
        OR (status = 'pending' AND doubted @> send_no::integer AND told IN ('held', 'sent')));

CREATE FUNCTION unless_doubted(doubted int4multirange, status message_status) RETURNS message_status
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted IS NULL THEN status ELSE 'uncertain' END;

CREATE TABLE tallies (
    campaign_id bigint NOT NULL,
    status message_status NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (campaign_id, status)
) WITH (fillfactor = 50);

CREATE FUNCTION tally_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies AS t (campaign_id, status, count)
        SELECT campaign_id, status, count(*) FROM after GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE SET count = t.count + excluded.count;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tallies AS t (campaign_id, status, count)
        SELECT campaign_id, status, -count(*) FROM before GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE SET count = t.count + excluded.count;
    ELSIF TG_OP = 'TRUNCATE' THEN
        DELETE FROM tallies;
    ELSE
        INSERT INTO tallies AS t (campaign_id, status, count)
        SELECT campaign_id, status, sum(change) FROM (
            SELECT campaign_id, status, -1 AS change FROM before
            UNION ALL
            SELECT campaign_id, status, 1 FROM after
        ) changes GROUP BY 1, 2 HAVING sum(change) <> 0 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE SET count = t.count + excluded.count;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tally_inserted AFTER INSERT ON messages
    REFERENCING NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION tally_messages();
CREATE TRIGGER tally_updated AFTER UPDATE ON messages
    REFERENCING OLD TABLE AS before NEW TABLE AS after FOR EACH STATEMENT EXECUTE FUNCTION tally_messages();
CREATE TRIGGER tally_deleted AFTER DELETE ON messages
    REFERENCING OLD TABLE AS before FOR EACH STATEMENT EXECUTE FUNCTION tally_messages();

CREATE TRIGGER tally_truncated AFTER TRUNCATE ON messages FOR EACH STATEMENT EXECUTE FUNCTION tally_messages();

CREATE TABLE suppressions (
    recipient_key text NOT NULL,
    source text NOT NULL CHECK (source IN ('word', 'button', 'meta', 'manual', 'import')),
    is_active boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    detail text,
    PRIMARY KEY (recipient_key, source)
);

CREATE TABLE forgotten (
    person bytea PRIMARY KEY,
    key_id bytea NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE stop_replies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone_number_id text NOT NULL,
    phone text NOT NULL,
    received_at timestamptz NOT NULL
);

CREATE TABLE imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    file_sha256 bytea NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX imports_by_campaign ON imports (campaign_id);

CREATE TABLE import_errors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    row_number bigint NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX import_errors_by_campaign ON import_errors (campaign_id, id);

CREATE TABLE webhook_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    status text NOT NULL DEFAULT 'stored' CHECK (status IN ('stored', 'unmatched', 'set_aside')),
    attempts integer NOT NULL DEFAULT 0,
    next_try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    reason text,
    body bytea NOT NULL,
    CONSTRAINT parked_says_why CHECK (status = 'stored' OR (reason IS NOT NULL AND expires_at IS NOT NULL))
);
CREATE INDEX webhook_events_due ON webhook_events (next_try_at, id) WHERE status <> 'set_aside';
