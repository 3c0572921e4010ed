-- The schema of Revoada, for PostgreSQL 18.
--
-- The migrations must build exactly this schema (`make check` tests this). To change the schema, add a migration.
-- Transactions take locks in the order work with files (`stop_file_work`), starts (`lock_starts`), file_jobs, campaigns,
-- portfolios, leases, messages (by id), accounts, account_categories, tallies, people (`lock_people`).

CREATE TYPE campaign_status AS ENUM
    ('draft', 'pending', 'scheduled', 'running', 'paused', 'completed', 'cancelled');

-- The statuses stand in the order of the strength of their evidence, weakest first. Evidence (Meta's reply to a
-- request, or a webhook) replaces the status of a message only by a status that stands later in this order.
CREATE TYPE message_status AS ENUM
    ('suppressed', 'cancelled', 'expired', 'pending', 'sending', 'uncertain', 'held', 'sent', 'failed', 'delivered', 'read');

-- One row with the id of this installation. The callback data of each message contain the id. So another installation
-- with the same WABA does not apply webhooks about messages of this installation.
CREATE TABLE installation (
    id text PRIMARY KEY DEFAULT lpad(to_hex((random() * 4294967295)::bigint), 8, '0') CHECK (id ~ '^[0-9a-f]{8}$'),
    recovered_at timestamptz,  -- when `revoada recover` last ran
    is_only boolean NOT NULL DEFAULT true UNIQUE CHECK (is_only),
    ticked_at timestamptz,  -- the time of the last tick; NULL: there was no tick yet
    -- The time of the last alert about answers that wait for review. NULL: no answer waited at the last check.
    reviews_told_at timestamptz,
    -- The time at which a check found that this database lacks claims whose messages were sent. NULL: no claim is known
    -- to be missing.
    found_older_at timestamptz
);

-- One row per worker process. Each process writes its own row every few seconds. A process that does not write its row
-- any more has crashed, is frozen, or cannot reach this database.
CREATE TABLE workers (
    owner text PRIMARY KEY,  -- the id of the process, as in `leases`
    name text NOT NULL,  -- the name of the worker in Celery
    queues text[] NOT NULL,
    slots integer NOT NULL,
    running_count integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    consumed_at timestamptz NOT NULL,  -- the start of the last task, of any kind, that the process took
    -- The number of seconds for which the process has taken no task although a task waits and a slot is free. NULL: the
    -- process takes tasks.
    stalled_seconds double precision,
    skew_seconds double precision NOT NULL,  -- seconds by which the clock of the process is ahead of Postgres's clock
    -- The number of files and connections that the process may have open, and the memory that it may use. NULL: there
    -- is no limit, or the limit is unknown.
    descriptor_limit integer,
    memory_limit_mb integer
);

-- Groups of accounts that share one limit of Meta: the number of different people to whom the group may send in 24
-- hours. `people_count`: the number of rows in `portfolio_people`.
CREATE TABLE portfolios (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    daily_limit integer NOT NULL CHECK (daily_limit > 0),
    people_count integer NOT NULL DEFAULT 0 CHECK (people_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- The people to whom a portfolio has sent. A person counts until 24 hours after the last send to them:
-- docs/decisions/0015.
CREATE TABLE portfolio_people (
    portfolio_id bigint NOT NULL REFERENCES portfolios ON DELETE CASCADE,
    recipient_key text NOT NULL,
    until timestamptz NOT NULL,
    message_id bigint,  -- the message because of which the person counts; NULL: several messages, or an unknown message
    PRIMARY KEY (portfolio_id, recipient_key)
);
CREATE INDEX portfolio_people_by_end ON portfolio_people (portfolio_id, until);
CREATE INDEX portfolio_people_by_message ON portfolio_people (message_id) WHERE message_id IS NOT NULL;

-- Statement triggers on `portfolio_people` update `portfolios.people_count` in the statement that adds or deletes rows.
-- Transactions lock the portfolio before they write to `portfolio_people`.
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

-- Accounts: one row for each phone number that sends messages.
CREATE TABLE accounts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    phone_number_id text NOT NULL UNIQUE CHECK (phone_number_id ~ '^[0-9]{1,32}$'),
    waba_id text NOT NULL CHECK (waba_id ~ '^[0-9]{1,32}$'),
    portfolio_id bigint REFERENCES portfolios,
    token bytea NOT NULL,  -- encrypted with REVOADA_SECRET_KEY
    messages_per_second integer NOT NULL DEFAULT 80 CHECK (messages_per_second BETWEEN 1 AND 1000000),
    failure_limit integer NOT NULL DEFAULT 5 CHECK (failure_limit > 0),
    active boolean NOT NULL DEFAULT true,
    inactive_reason text,
    -- The time of the last activation. Only messages that were sent after this time change the streaks.
    activated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Two streaks of consecutive failures for which the account is to blame. Meta's replies to requests report the
    -- failures of the first streak. Webhooks report the failures of the second streak (`reported`).
    consecutive_failures integer NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
    failures jsonb NOT NULL DEFAULT '[]',
    consecutive_reported integer NOT NULL DEFAULT 0 CHECK (consecutive_reported >= 0),
    reported jsonb NOT NULL DEFAULT '[]',
    -- A cooldown starts if Meta asks for a pause, or if Meta's API cannot be reached. The account sends nothing until
    -- `blocked_until`. `block_count`: the number of cooldowns since the last success. Each of these cooldowns is longer
    -- than the cooldown before.
    blocked_until timestamptz,
    blocked_reason text,
    block_count integer NOT NULL DEFAULT 0 CHECK (block_count >= 0),
    -- The health checks of the account. Operators see the results of the checks. No decision of the program depends on
    -- the results.
    health_asked_at timestamptz,
    health_checked_at timestamptz,
    health jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inactive_says_why CHECK (active = (inactive_reason IS NULL)),
    health_begun_at timestamptz  -- the time at which a task claimed the check that was requested at `health_asked_at`
);

CREATE INDEX accounts_by_portfolio ON accounts (portfolio_id);

CREATE TABLE account_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind text NOT NULL CHECK (kind IN (
        'created', 'deactivated', 'activated', 'blocked', 'health_worse', 'health_better', 'health_failed',
        'reported', 'category_deactivated')),
    details jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX account_events_by_account ON account_events (account_id, id);

-- Failures that concern only one category of an account's templates, and whether the account still sends the category:
-- docs/decisions/0033. If a category has no row, there was no such failure since the account was activated. An
-- activation deletes the account's rows. Transactions lock the account before they add a row or deactivate a category.
CREATE TABLE account_categories (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    category text NOT NULL CHECK (category <> ''),  -- Meta's word: MARKETING, UTILITY, AUTHENTICATION
    -- The account's `activated_at` at the time of the first of these failures. A reply to a message that was sent
    -- before `activated_at` changes no streak.
    activated_at timestamptz NOT NULL,
    failures jsonb NOT NULL DEFAULT '[]',  -- the streaks from replies and webhooks
    reported jsonb NOT NULL DEFAULT '[]',
    inactive_since timestamptz,  -- not NULL: the account sends no template of this category
    inactive_reason text,
    inactive_code integer,  -- Meta's code of the last failure
    PRIMARY KEY (account_id, category),
    CONSTRAINT inactive_is_whole CHECK (num_nulls(inactive_since, inactive_reason, inactive_code) IN (0, 3))
);

-- One row per template and WABA, because Meta approves a template separately in each WABA: docs/decisions/0011.
CREATE TABLE templates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    waba_id text NOT NULL DEFAULT '' CHECK (waba_id ~ '^[0-9]{0,32}$'),  -- '': added by an operator, for any WABA
    meta_id text,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]+$' AND length(name) <= 512),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(_[A-Za-z0-9]{2,4})?$'),
    components jsonb NOT NULL,  -- as Meta lists them
    -- Meta reports the components, the status, the category and the quality by webhook and in its list of templates.
    -- For each of these four columns there is a column with the time of the report; the newest report wins. A webhook
    -- about the components reports only the text of the body.
    status text NOT NULL DEFAULT 'approved',
    status_at timestamptz NOT NULL DEFAULT now(),
    category text NOT NULL DEFAULT '',
    category_at timestamptz NOT NULL DEFAULT '-infinity',
    quality text NOT NULL DEFAULT '',
    quality_at timestamptz NOT NULL DEFAULT '-infinity',
    blocked_until timestamptz,  -- no message with this template is sent before this time
    synced_at timestamptz,  -- the start of the last read of Meta's list that contained the template
    created_at timestamptz NOT NULL DEFAULT now(),
    components_at timestamptz NOT NULL DEFAULT '-infinity',
    UNIQUE (name, language, waba_id)
);

CREATE TABLE campaigns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    status campaign_status NOT NULL DEFAULT 'draft',
    template_id bigint NOT NULL REFERENCES templates,
    -- The values of template parameters that are the same for all recipients, by parameter name. A JSON null means that
    -- the value of this optional parameter comes from each row of the list.
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    columns text[] NOT NULL DEFAULT '{}',  -- the parameters whose values come from each row of the list
    test_of bigint REFERENCES campaigns ON DELETE CASCADE,  -- the campaign that this campaign tests
    scheduled_at timestamptz,
    -- A campaign that starts more than `start_within_seconds` after `scheduled_at` expires.
    start_within_seconds double precision CHECK (start_within_seconds > 0),
    expire_at timestamptz,  -- messages that were not sent by this time expire
    -- The cap per person: claims skip people who got `max_per_person` messages from other campaigns in the last
    -- `within_days` days.
    max_per_person integer CHECK (max_per_person > 0),
    within_days integer CHECK (within_days BETWEEN 1 AND 366),
    -- The pace: the interval between messages, the pauses, and the hours and days at which messages may be sent.
    interval_seconds double precision NOT NULL DEFAULT 0 CHECK (interval_seconds BETWEEN 0 AND 86400),
    pause_after integer CHECK (pause_after > 0),
    pause_seconds double precision CHECK (pause_seconds > 0),
    window_from time,
    window_to time,
    weekdays integer[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}' CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND weekdays <> '{}'),
    time_zone text NOT NULL,
    uses_recipient_zones boolean NOT NULL DEFAULT false,  -- the window follows the time zone of each person
    holidays text,  -- a country or a state, such as BR or BR-SP: no message is sent on its public holidays
    -- The reason why a running campaign waits, and the time at which it is due again. `due_at` NULL: it is due now.
    waiting_reason text CHECK (waiting_reason IN
        ('interval', 'pause', 'window', 'retry', 'throttled', 'unreachable', 'no_active_account', 'template',
         'daily_limit', 'idle')),
    due_at timestamptz,
    enqueued_at timestamptz,  -- the time at which a task for the campaign was published; NULL: no task waits
    -- Claims search for the next message after this message id. A cursor that is too low only makes the search slower,
    -- because a claim checks the status of each message.
    cursor bigint NOT NULL DEFAULT 0,
    recipient_count bigint NOT NULL DEFAULT 0,
    duplicate_count bigint NOT NULL DEFAULT 0,
    rejected_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz CHECK (cancelled_at IS NULL OR status = 'cancelled'),
    erased_at timestamptz,  -- when the phones and variables of its messages were deleted
    -- The time of the last recovery after a restore. If Meta refuses a message that was claimed before this time, the
    -- message does not become pending again (docs/decisions/0019).
    recovered_at timestamptz,
    uncertain_told_at timestamptz,  -- the time of the last check for messages that stay uncertain
    -- If no worker has taken the campaign's task yet: the time at which the task was first published. `enqueued_at` is
    -- later if the task was lost and published again.
    untaken_since timestamptz,
    -- The template (`name:language`), its components and the values for all recipients when the draft was made, or when
    -- it was changed last before it had people. NULL: an older version made the draft, or the campaign is a test.
    made_with jsonb,
    draft_key bytea,  -- the digest of the form that made the draft; NULL: no form of a page made it
    -- A standing campaign has no list: programs post its messages, and it does not complete: docs/decisions/0113.
    is_standing boolean NOT NULL DEFAULT false,
    -- If the first message with an account and a template made the standing campaign: this account.
    standing_account_id bigint REFERENCES accounts,
    CONSTRAINT cap_is_whole CHECK ((max_per_person IS NULL) = (within_days IS NULL)),
    CONSTRAINT pause_is_whole CHECK ((pause_after IS NULL) = (pause_seconds IS NULL)),
    CONSTRAINT lateness_has_a_schedule CHECK (start_within_seconds IS NULL OR scheduled_at IS NOT NULL),
    CONSTRAINT window_is_whole CHECK ((window_from IS NULL) = (window_to IS NULL)),
    CONSTRAINT only_running_waits CHECK (waiting_reason IS NULL OR status IN ('running', 'paused')),
    CONSTRAINT completed_says_when CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT running_has_started CHECK (status NOT IN ('running', 'completed') OR started_at IS NOT NULL),
    CONSTRAINT standing_goes_on CHECK (NOT is_standing OR status <> 'completed' OR expire_at IS NOT NULL),
    CONSTRAINT standing_has_one_clock CHECK (NOT is_standing OR NOT uses_recipient_zones),
    CONSTRAINT only_standing_has_its_account CHECK (is_standing OR standing_account_id IS NULL)
) WITH (fillfactor = 50);  -- space for HOT updates, because ticks and slices update rows often
CREATE UNIQUE INDEX campaigns_standing ON campaigns (standing_account_id, template_id)
    WHERE standing_account_id IS NOT NULL;
CREATE UNIQUE INDEX campaigns_draft_key ON campaigns (draft_key) WHERE draft_key IS NOT NULL;
CREATE INDEX campaigns_alive ON campaigns (created_at, id) WHERE status IN ('pending', 'scheduled', 'running');
-- The query for a person's reply uses this index to find the campaigns that may have sent to the person recently. A
-- campaign that has not ended counts as if it ended in the future.
CREATE INDEX campaigns_by_end ON campaigns ((coalesce(completed_at, cancelled_at, 'infinity'::timestamptz)))
    WHERE started_at IS NOT NULL;
CREATE INDEX campaigns_by_status ON campaigns (status, created_at, id) WHERE test_of IS NULL;  -- for pages
CREATE INDEX campaigns_by_template ON campaigns (template_id) WHERE test_of IS NULL;  -- for pages

-- Whether a campaign may run now, or waits for a time that is not after `horizon`. After `expire_at` a campaign may run
-- although it waits, because the run expires the campaign's messages. Ticks, leases and all code that enqueues
-- campaigns use this function.
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

-- The category of a campaign's template for an account. Usually this is the category of the template in the account's
-- WABA. If the template is not known in that WABA, or has no category there, the category in the campaign's own
-- template row counts. If that category is empty too, the category is MARKETING.
CREATE VIEW campaign_categories AS
SELECT c.id AS campaign_id, a.id AS account_id,
    coalesce(nullif(own.category, ''), nullif(t.category, ''), 'MARKETING') AS category
FROM campaigns c
JOIN templates t ON t.id = c.template_id
CROSS JOIN accounts a
LEFT JOIN templates own ON own.name = t.name AND own.language = t.language AND own.waba_id = a.waba_id;

-- The possible time zones of a campaign's recipients. `names`: all time zones of a phone prefix, separated by commas.
CREATE TABLE campaign_zones (
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    id smallint NOT NULL CHECK (id > 0),
    names text NOT NULL CHECK (names <> ''),
    PRIMARY KEY (campaign_id, id),
    UNIQUE (campaign_id, names)
);

-- The lease of a campaign is the right of one process to run the campaign until `until`. Leases have a table of their
-- own, so that the renewal of a lease does not wait for a lock on the campaign. `next_message_at` and `burst_count`,
-- which keep the interval and the pauses of the campaign, are in this table because a claim writes the lease row
-- anyway.
CREATE TABLE leases (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    epoch bigint NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT '-infinity',
    owner text NOT NULL DEFAULT '',
    next_message_at timestamptz,
    burst_count integer NOT NULL DEFAULT 0,  -- messages since the last pause
    claim_count bigint NOT NULL DEFAULT 0  -- the number of all claims of the campaign; Valkey has this number too
) WITH (fillfactor = 50);

-- One row per recipient and campaign. There are no foreign keys, because each would cost a lookup and a share lock per
-- row on the hot path, and campaigns and accounts with messages are never deleted.
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL,
    account_id bigint,
    -- Not NULL: the message was released, so it is pending again. A claim may take the message after this time, even if
    -- its id is before the cursor.
    not_before timestamptz,
    claimed_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    status message_status NOT NULL DEFAULT 'pending',
    error_code integer,
    send_no smallint NOT NULL DEFAULT 0,  -- the number of the last send; every request gets the next number
    attempts smallint NOT NULL DEFAULT 0,  -- the number of requests that count as attempts
    -- The number of refusals by Meta because the account sent too many messages to this person.
    pair_refusals smallint NOT NULL DEFAULT 0,
    -- The uncertain sends of the message, as ranges of `send_no`. An uncertain send is recorded before the message may
    -- be sent again: docs/decisions/0018, 0019.
    doubted int4multirange,
    zone_id smallint,  -- in `campaign_zones`; NULL: unknown, so the campaign's own zone applies
    phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),  -- the phone in the list and in the request; NULL: erased
    recipient_key text,  -- the phone in a form that is unique for each person; NULL: erased
    variables text[] NOT NULL DEFAULT '{}',
    consent text,  -- the text about the person's consent in the imported list
    refused_by bigint[],  -- the accounts that could not send the message
    wamid text,
    error_title text,
    error_details text,
    pricing_category text,
    pricing_model text,
    is_billable boolean,  -- whether the message costs money, as Meta reports
    -- When the person first replied to the message: docs/decisions/0052. The reply itself is not kept. The column says
    -- nothing about the status; a reply does not change the status.
    replied_at timestamptz,
    -- The id of a message that a program posted; 0: the message came from a list. A list has one message for a person,
    -- and a program may post several.
    posted_id bigint NOT NULL DEFAULT 0,
    CONSTRAINT one_message_per_person UNIQUE (campaign_id, recipient_key, posted_id),
    CONSTRAINT erased_is_whole CHECK ((phone IS NULL) = (recipient_key IS NULL)
        AND (phone IS NOT NULL OR (variables = '{}' AND consent IS NULL))),
    CONSTRAINT only_ended_is_erased CHECK (phone IS NOT NULL OR status NOT IN ('pending', 'sending')),
    CONSTRAINT attempts_are_sends CHECK (attempts BETWEEN 0 AND send_no),
    CONSTRAINT only_pending_waits CHECK (not_before IS NULL OR status = 'pending'),
    -- After a restore the account of an uncertain send may be unknown.
    CONSTRAINT sending_is_claimed CHECK (status < 'sending'
        OR (claimed_at IS NOT NULL AND send_no > 0 AND (account_id IS NOT NULL OR (doubted IS NOT NULL AND status > 'sending')))),
    CONSTRAINT accepted_has_wamid CHECK (status NOT IN ('held', 'sent', 'delivered', 'read') OR wamid IS NOT NULL),
    CONSTRAINT sent_says_when CHECK (status NOT IN ('sent', 'delivered', 'read') OR sent_at IS NOT NULL),
    CONSTRAINT failed_says_why CHECK (status <> 'failed' OR (failed_at IS NOT NULL AND error_title IS NOT NULL)),
    CONSTRAINT uncertain_says_why CHECK (status <> 'uncertain' OR error_title IS NOT NULL)
) WITH (
    fillfactor = 45,  -- space for a second version of each row, so that a claim can be a HOT update
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
-- Claims find the next messages after the cursor by this index. No index contains the status, so a claim, which changes
-- the status, can be a HOT update.
CREATE INDEX messages_in_order ON messages (campaign_id, id);
-- Claims find released messages by this index. The index contains only released messages, so the index is small even
-- for a large campaign.
CREATE INDEX messages_released ON messages (campaign_id, not_before) WHERE not_before IS NOT NULL;
-- A webhook without our callback data finds its message by this index.
CREATE INDEX messages_by_wamid ON messages USING hash (wamid) WHERE wamid IS NOT NULL;

-- The keys of posted messages. A key is never deleted, so that it stands for one message for ever. `account_id`: not
-- NULL if the campaign has a `standing_account_id`; then the key is unique among all such campaigns of the account, else
-- in the campaign. Only the SHA-256 of a key is kept, because a key may contain data of a person.
CREATE TABLE message_keys (
    message_id bigint PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns,
    account_id bigint REFERENCES accounts,
    key_sha256 bytea NOT NULL CHECK (length(key_sha256) = 32),
    posted_by text NOT NULL,  -- the user whose token posted the message
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX message_keys_by_campaign ON message_keys (campaign_id, key_sha256) WHERE account_id IS NULL;
CREATE UNIQUE INDEX message_keys_by_account ON message_keys (account_id, key_sha256) WHERE account_id IS NOT NULL;

-- Whether evidence about a send applies to a message in its current state. `told_send_no`: the number of the send.
-- `told`: the status that the evidence reports. Evidence about the last send applies while the status is at least
-- `sending`. Evidence about an uncertain send (`doubted`) applies until the message is sent again. If the message is
-- pending again after an uncertain send, only evidence with the status `held` or `sent` applies; a failure does not
-- apply.
CREATE FUNCTION counts_for(
    status message_status, send_no smallint, doubted int4multirange, told_send_no integer, told message_status
) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted @> send_no::integer THEN doubted @> told_send_no ELSE told_send_no = send_no END
    AND (status >= 'sending'
        OR (status = 'pending' AND doubted @> send_no::integer AND told IN ('held', 'sent')));

-- The status of a message that will not be sent again: `uncertain` if it has an uncertain send, because that send may
-- have reached the person; else the given status.
CREATE FUNCTION unless_doubted(doubted int4multirange, status message_status) RETURNS message_status
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted IS NULL THEN status ELSE 'uncertain' END;

-- The people of a draft that come from an earlier campaign: docs/decisions/0114. Each message to them was inserted at
-- `made_at`, and each claim reads again whether the person still belongs to the audience.
CREATE TABLE audiences (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    source_id bigint NOT NULL REFERENCES campaigns,  -- the earlier campaign
    conditions text NOT NULL CHECK (conditions <> ''),  -- as a person reads them
    made_at timestamptz NOT NULL,
    recipient_count bigint NOT NULL DEFAULT 0,
    uncertain_count bigint NOT NULL DEFAULT 0,  -- of these people, those whose earlier message was uncertain
    last_id bigint NOT NULL DEFAULT 0,  -- the last of their messages; later messages are those of files
    -- The conditions as `fits` reads them. NULL: the reply, the code of the failure or the time does not matter.
    statuses message_status[] NOT NULL,
    has_replied boolean,
    codes integer[],
    sent tstzrange,
    delivered tstzrange,
    read tstzrange,
    replied tstzrange,
    failed tstzrange,
    CONSTRAINT another_campaign CHECK (source_id <> campaign_id)
);

-- Whether a message of the earlier campaign says that its person belongs to an audience. A message that was read was
-- delivered, although the webhook about the delivery may be missing.
CREATE FUNCTION fits(message messages, audience audiences) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN coalesce(
    message.status = ANY (audience.statuses)
    AND (audience.has_replied IS NULL OR audience.has_replied = (message.replied_at IS NOT NULL))
    AND (audience.codes IS NULL OR message.error_code = ANY (audience.codes))
    AND (audience.sent IS NULL OR message.sent_at <@ audience.sent)
    AND (audience.delivered IS NULL OR coalesce(message.delivered_at, message.read_at) <@ audience.delivered)
    AND (audience.read IS NULL OR message.read_at <@ audience.read)
    AND (audience.replied IS NULL OR message.replied_at <@ audience.replied)
    AND (audience.failed IS NULL OR message.failed_at <@ audience.failed),
    false);

-- The counters of a campaign: the number of its messages in each status, and the number of these messages to which the
-- person has replied. A statement that changes messages changes the counters too.
CREATE TABLE tallies (
    campaign_id bigint NOT NULL,
    status message_status NOT NULL,
    count bigint NOT NULL,
    replied_count bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (campaign_id, status)
) WITH (fillfactor = 50);
-- For pages. The index has no column that a change of a counter writes, so such a change needs no new index entry.
CREATE INDEX tallies_uncertain ON tallies (campaign_id) WHERE status = 'uncertain';

-- Statement triggers update the counters, so that every statement updates them, even a statement that an operator
-- types. The upsert locks the counters in order, so that two statements do not deadlock. Reasons for triggers:
-- docs/decisions/0002.
CREATE FUNCTION tally_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, count(*), count(replied_at) FROM after GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, -count(*), -count(replied_at) FROM before GROUP BY 1, 2 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
    ELSIF TG_OP = 'TRUNCATE' THEN
        DELETE FROM tallies;
    ELSE
        INSERT INTO tallies AS t (campaign_id, status, count, replied_count)
        SELECT campaign_id, status, sum(change), sum(replied_change) FROM (
            SELECT campaign_id, status, -1 AS change, -(replied_at IS NOT NULL)::int AS replied_change FROM before
            UNION ALL
            SELECT campaign_id, status, 1, (replied_at IS NOT NULL)::int FROM after
        ) changes GROUP BY 1, 2 HAVING sum(change) <> 0 OR sum(replied_change) <> 0 ORDER BY 1, 2
        ON CONFLICT (campaign_id, status) DO UPDATE
        SET count = t.count + excluded.count, replied_count = t.replied_count + excluded.replied_count;
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

-- Opt-outs: one row per person and source, with the newest event. A person with an active row is suppressed. A row
-- stays after the end of the opt-out, so that an older event that arrives later does not suppress the person again.
-- `recipient_key` is the key of a phone number. An event that named a user id has a second row, whose key is the user
-- id. The second row is applied to each number of the person that becomes known later.
CREATE TABLE suppressions (
    recipient_key text NOT NULL,
    source text NOT NULL CHECK (source IN ('word', 'button', 'meta', 'manual', 'import')),
    is_active boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    detail text,
    PRIMARY KEY (recipient_key, source)
);
-- For pages of active suppressions, the newest first.
CREATE INDEX suppressions_by_time ON suppressions (source, at, recipient_key) WHERE is_active;

-- The current and past numbers of people, by Meta's user ids: one row for each pair of user id and number that a
-- webhook named. Only `revoada forget` deletes pairs. So an opt-out by a user id reaches every number of the person, in
-- whatever order the webhooks arrive. The pair with the newest `at` has the current number. A transaction that adds a
-- pair, a change of user id, or a suppression under a user id holds the lock of `lock_people`: docs/decisions/0028.
CREATE TABLE user_ids (
    user_id text NOT NULL CHECK (user_id <> '' AND user_id NOT LIKE '+%'),
    recipient_key text NOT NULL CHECK (recipient_key LIKE '+%'),
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, recipient_key)
);
CREATE INDEX user_ids_by_person ON user_ids (recipient_key);

-- Changes of user id: a person with a new number gets a new user id. Each change has two rows, one for each direction.
CREATE TABLE user_id_changes (
    user_id text NOT NULL,
    other_id text NOT NULL CHECK (other_id <> user_id),
    PRIMARY KEY (user_id, other_id)
);

-- Answers that may be opt-outs, one row each. An operator decides about each answer. While an answer is undecided, its
-- author gets no marketing. The decision erases the text and keeps the row, so that a copy of the webhook opens no
-- second review.
CREATE TABLE optout_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient_key text NOT NULL,  -- the key of the author's number; a user id until a number is known
    answer bytea NOT NULL UNIQUE,  -- hash of the id of the inbound message
    source text NOT NULL CHECK (source IN ('word', 'button')),  -- the source of the suppression, if accepted
    detail text NOT NULL,
    text text NOT NULL,
    said_at timestamptz NOT NULL,
    phone_number_id text NOT NULL,  -- the number that received the answer
    message_id bigint,  -- the campaign message that was answered; NULL: none
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decision text CHECK (decision IN ('accepted', 'dismissed')),
    CONSTRAINT decided_is_whole CHECK ((decided_at IS NULL) = (decision IS NULL)),
    CONSTRAINT decided_is_erased CHECK (decided_at IS NULL OR text = '')
);
-- Claims of marketing campaigns look up undecided answers by this index.
CREATE INDEX optout_reviews_open ON optout_reviews (recipient_key) WHERE decided_at IS NULL;

-- Forgotten people. They stay suppressed, but the table does not reveal who they are. `person` is a hash of the
-- person's number with a key that is derived from REVOADA_SECRET_KEY; `key_id` identifies the derived key.
CREATE TABLE forgotten (
    person bytea PRIMARY KEY,
    key_id bytea NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Keys of the hashes in `forgotten`, derived from each REVOADA_SECRET_KEY. `revoada rekey` encrypts these keys with the
-- newest REVOADA_SECRET_KEY. With these keys people stay forgotten when an older REVOADA_SECRET_KEY is removed from the
-- setting.
CREATE TABLE person_keys (
    key_id bytea PRIMARY KEY,
    sealed bytea NOT NULL
);

-- Confirmations to people who have just opted out. Before a confirmation is sent, its row is deleted and the deletion
-- is committed, so that the confirmation is sent at most once.
CREATE TABLE stop_replies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone_number_id text NOT NULL,  -- the number that received the opt-out
    phone text NOT NULL,
    received_at timestamptz NOT NULL  -- Meta accepts free text to the person for a day after this time
);

-- The files that were imported into each campaign. `find_overlaps` finds other campaigns with the same file. `columns`:
-- the names of the columns, and the positions of those that were read (`ReadColumns`); NULL in a row of an older
-- version.
CREATE TABLE imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    file_sha256 bytea NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    facts jsonb,  -- the facts about the file of which a start warns; NULL: an older version imported the file
    columns jsonb  -- the columns that were read; NULL: an older version imported the file
);
CREATE INDEX imports_by_campaign ON imports (campaign_id);

-- Rows of imported files that did not become messages: rejected rows, and rows of people who have a message already.
-- `code`: the kind of the problem. The ids follow the order in which the files were imported.
CREATE TABLE import_errors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    row_number bigint NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL,
    code text NOT NULL DEFAULT 'row_invalid'
);
CREATE INDEX import_errors_by_campaign ON import_errors (campaign_id, id);

-- Raw webhook bodies, until they are applied. An attempt is committed before a body is parsed (the first attempt as a row
-- of `webhook_takes`), so `attempts` reveals a body that kills the parser.
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

-- The sets of new bodies that processes have taken and are applying. One row costs less than a change of each body:
-- docs/decisions/0123. When `until` has passed, the process may be dead: the bodies that are left are due again, and
-- have had an attempt if the take counts. It does not count if the bodies only waited for a lock.
CREATE TABLE webhook_takes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_ids bigint[] STORAGE EXTERNAL NOT NULL,  -- to compress them cost as much CPU time as to find their bodies
    until timestamptz NOT NULL,
    counts boolean NOT NULL DEFAULT true
);

-- The audit: one row for each change that a person makes, written in the transaction of the change:
-- docs/decisions/0060. No row holds a phone, a token or a password.
CREATE TABLE audit_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL CHECK (actor <> ''),
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'cli', 'task')),
    surface text CHECK (surface IN ('console', 'api', 'cli')),  -- NULL: a task acted without a person
    -- The change, such as campaign.start. The part before the dot is the kind of the thing with the id `target_id`.
    what text NOT NULL CHECK (what ~ '^[a-z]+\.[a-z_]+$'),
    target_id bigint,
    before jsonb CHECK (jsonb_typeof(before) = 'object'),
    after jsonb CHECK (jsonb_typeof(after) = 'object'),
    reason text,  -- why, in the person's own words
    network inet,  -- the address from which the request came
    token_id bigint,  -- the token of the API with which the request came
    request_id text,  -- the id of the request in the log
    CONSTRAINT only_tasks_lack_a_surface CHECK ((surface IS NULL) = (actor_kind = 'task')),
    CONSTRAINT only_the_api_has_tokens CHECK (token_id IS NULL OR surface = 'api')
);
CREATE INDEX audit_events_by_time ON audit_events (at, id);
CREATE INDEX audit_events_by_actor ON audit_events (actor, at, id);
CREATE INDEX audit_events_by_target ON audit_events (split_part(what, '.', 1), target_id, at, id);

-- Triggers refuse UPDATE, TRUNCATE, and the DELETE of a row that is younger than 365 days. The owner of the table
-- could drop the triggers.
CREATE FUNCTION keep_audit_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.at < now() - interval '365 days' THEN
            RETURN OLD;
        END IF;
    END IF;
    RAISE EXCEPTION 'a row of audit_events is never changed, and is deleted only after 365 days'
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_events_kept BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION keep_audit_events();
CREATE TRIGGER audit_events_not_truncated BEFORE TRUNCATE ON audit_events
    FOR EACH STATEMENT EXECUTE FUNCTION keep_audit_events();

-- The people who may sign in. A user is never deleted, because the audit has the name: docs/decisions/0061.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,63}$'),
    role text NOT NULL CHECK (role IN ('viewer', 'planner', 'operator', 'admin')),
    password_hash text CHECK (password_hash LIKE '$argon2id$%'),  -- NULL: a proxy signs the user in
    disabled_at timestamptz,  -- not NULL: the user cannot sign in
    language text NOT NULL DEFAULT 'en' CHECK (language IN ('en', 'pt_BR')),
    time_zone text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    wants_updates boolean NOT NULL DEFAULT true  -- whether the numbers of open pages change by themselves
);

-- One row for each browser in which a user is signed in. The browser has the token, and the row has its SHA-256.
CREATE TABLE sessions (
    token_sha256 bytea PRIMARY KEY CHECK (length(token_sha256) = 32),
    user_id bigint NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- a request moves this time at most once a minute
    confirmed_at timestamptz NOT NULL DEFAULT clock_timestamp(),  -- when the user typed the password last
    network inet  -- the address from which the user signed in
);
CREATE INDEX sessions_by_user ON sessions (user_id);

-- Whether a session is valid: it ends 12 hours after the last request, and 7 days after the login.
CREATE FUNCTION is_open(session sessions) RETURNS boolean
LANGUAGE sql STABLE
RETURN session.seen_at > now() - interval '12 hours' AND session.created_at > now() - interval '7 days';

-- The failed logins, and the logins whose password is being checked. The limits of logins count those of the last hour.
-- `name_sha256` is the hash of the typed name, because a person may type a password in the place of the name.
CREATE TABLE login_attempts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    name_sha256 bytea NOT NULL CHECK (length(name_sha256) = 32),
    network inet
);
CREATE INDEX login_attempts_by_name ON login_attempts (name_sha256, at);
CREATE INDEX login_attempts_by_network ON login_attempts (network, at);
CREATE INDEX login_attempts_by_time ON login_attempts (at);

-- Approvals of large campaigns by a second person. `digest`: the SHA-256 of the text, the values, the accounts and the
-- people that were approved: docs/decisions/0063.
CREATE TABLE approvals (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    approved_by text NOT NULL CHECK (approved_by <> ''),
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    digest bytea NOT NULL CHECK (length(digest) = 32)
);
CREATE INDEX approvals_by_campaign ON approvals (campaign_id, id);

-- The newest request for an approval of each campaign. `digest`: as in `approvals`, of the content for which the person
-- asked. An approval deletes the request.
CREATE TABLE approval_requests (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    digest bytea NOT NULL CHECK (length(digest) = 32),
    asked_by text NOT NULL CHECK (asked_by <> ''),
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The files that people upload. They are in Postgres, in pieces, so that every machine can read them:
-- docs/decisions/0073.
CREATE TABLE uploads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),  -- bytes, of the pieces stored so far
    sha256 bytea CHECK (length(sha256) = 32)  -- NULL: pieces are missing
);
CREATE INDEX uploads_by_time ON uploads (created_at);

CREATE TABLE upload_pieces (
    upload_id bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    data bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (upload_id, number)
);
-- Postgres does not compress the pieces: that would take time, and workbooks are compressed already.
ALTER TABLE upload_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- Work with whole files, which takes seconds or minutes. A process of the role `files` locks the row while it works,
-- and writes the result in the same transaction. If the process dies, Postgres ends the transaction, and another
-- process finds the row due again.
CREATE TABLE file_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL
        CHECK (kind IN ('look', 'add', 'replace', 'fill', 'export', 'copy', 'suppress', 'export_optouts')),
    campaign_id bigint REFERENCES campaigns ON DELETE CASCADE,
    upload_id bigint REFERENCES uploads ON DELETE CASCADE,
    request jsonb NOT NULL,
    actor jsonb NOT NULL,
    status text NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'done', 'refused', 'failed')),
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CONSTRAINT ended_jobs_have_results CHECK ((status = 'due') = (ended_at IS NULL AND result IS NULL)),
    CONSTRAINT readers_of_files_have_an_upload
        CHECK ((kind IN ('look', 'add', 'replace', 'suppress')) = (upload_id IS NOT NULL)),
    CONSTRAINT optouts_belong_to_no_campaign
        CHECK ((kind IN ('suppress', 'export_optouts')) = (campaign_id IS NULL))
);
CREATE INDEX file_jobs_due ON file_jobs (id) WHERE status = 'due';
CREATE INDEX file_jobs_by_campaign ON file_jobs (campaign_id, id);
CREATE INDEX file_jobs_by_upload ON file_jobs (upload_id);

-- The columns of a job that other transactions write while the row of the job is locked. `tries`: how often a process
-- has begun the job. `part`: how much of the file is read, from 0 to 1.
CREATE TABLE file_job_progress (
    job_id bigint PRIMARY KEY REFERENCES file_jobs ON DELETE CASCADE,
    tries integer NOT NULL DEFAULT 0,
    part real NOT NULL DEFAULT 0 CHECK (part BETWEEN 0 AND 1)
);

-- The file that an export has written.
CREATE TABLE file_job_pieces (
    job_id bigint NOT NULL REFERENCES file_jobs ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    data bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (job_id, number)
);

-- The counters of running campaigns over time: one row for each minute, later for each hour and each day. There are no
-- foreign keys to campaigns and accounts, because a key would lock their rows, and a campaign or an account that has
-- sent is never deleted. Only the numbers of people are kept, so the erasure of a person changes no row.
CREATE TABLE campaign_samples (
    campaign_id bigint NOT NULL,
    step text NOT NULL CHECK (step IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,  -- the start of the minute, the hour or the day, in UTC
    read_at timestamptz NOT NULL,  -- when the counters were read last
    counts jsonb NOT NULL CHECK (jsonb_typeof(counts) = 'object'),  -- by status, as in `tallies`
    done_count bigint NOT NULL,  -- the messages with a status after `sending`
    rate double precision CHECK (rate >= 0),  -- messages per second that were done; NULL: not known
    PRIMARY KEY (campaign_id, step, at)
);
CREATE INDEX campaign_samples_by_time ON campaign_samples (step, at);

-- The replies to the requests of each account over time, and its limit and quality. Workers add the replies to the row
-- of the present minute every few seconds, and `campaigns.sample` writes `rate` and `quality`.
CREATE TABLE account_samples (
    account_id bigint NOT NULL,
    step text NOT NULL CHECK (step IN ('minute', 'hour', 'day')),
    at timestamptz NOT NULL,  -- as in `campaign_samples`
    accepted bigint NOT NULL DEFAULT 0,
    throttled bigint NOT NULL DEFAULT 0,  -- refused because of a limit of Meta
    uncertain bigint NOT NULL DEFAULT 0,  -- no readable reply
    -- The other refusals, by the party that is to blame: those in replies, and those that webhooks report later about
    -- accepted messages.
    failed_recipient bigint NOT NULL DEFAULT 0,
    failed_message bigint NOT NULL DEFAULT 0,
    failed_template bigint NOT NULL DEFAULT 0,
    failed_account bigint NOT NULL DEFAULT 0,
    failed_server bigint NOT NULL DEFAULT 0,
    failed_ours bigint NOT NULL DEFAULT 0,
    failed_unknown bigint NOT NULL DEFAULT 0,
    rate double precision CHECK (rate >= 0),  -- messages per second that the throttle allows; NULL: not known
    quality text,  -- Meta's word; NULL: not known
    PRIMARY KEY (account_id, step, at)
);
CREATE INDEX account_samples_by_time ON account_samples (step, at);

-- How many messages that an account got accepted in an hour were delivered and read: docs/decisions/0110. Each message
-- is counted once for each number of `hours`: when it was accepted at least this number of hours ago.
CREATE TABLE account_receipts (
    account_id bigint NOT NULL,
    at timestamptz NOT NULL,  -- the start of the hour
    hours smallint NOT NULL CHECK (hours > 0),
    accepted bigint NOT NULL,
    delivered bigint NOT NULL,  -- with those that were read
    read bigint NOT NULL,
    PRIMARY KEY (account_id, at, hours),
    CONSTRAINT parts_are_parts CHECK (read BETWEEN 0 AND delivered AND delivered <= accepted)
);
CREATE INDEX account_receipts_by_time ON account_receipts (at);

-- The last message of each campaign that is counted in `account_receipts`, for each number of `hours`.
CREATE TABLE receipt_positions (
    campaign_id bigint NOT NULL,
    hours smallint NOT NULL CHECK (hours > 0),
    last_id bigint NOT NULL DEFAULT 0,
    due_at timestamptz DEFAULT now(),  -- when to look for further messages; NULL: all are counted
    PRIMARY KEY (campaign_id, hours)
);
CREATE INDEX receipt_positions_due ON receipt_positions (due_at) WHERE due_at IS NOT NULL;

-- The prices of messages, which an admin loads from Meta's rate card: docs/decisions/0098. A price is valid until the
-- next `valid_from` of the same country and category. The audit says who loaded it.
CREATE TABLE prices (
    country text NOT NULL CHECK (country ~ '^[A-Z]{2}$'),  -- two letters of ISO 3166
    category text NOT NULL CHECK (category <> ''),  -- as in `messages.pricing_category`, with _ in place of -
    valid_from date NOT NULL,
    currency text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),  -- three letters of ISO 4217
    amount numeric NOT NULL CHECK (amount >= 0),  -- of one message
    market text NOT NULL DEFAULT '',  -- the name that Meta gives to a group of countries
    PRIMARY KEY (country, category, valid_from)
);

-- What Meta reports about the prices of messages, as sums that pages read: docs/decisions/0109. The role `files` counts a
-- campaign anew from time to time, until three days after its end.
CREATE TABLE charge_counts (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    counted_at timestamptz NOT NULL,
    seconds double precision NOT NULL CHECK (seconds >= 0),  -- how long the last count took
    -- For the estimate, as the first count after the start found them: the people by country who were to get a message,
    -- the categories of the template, and the day of the start.
    people jsonb NOT NULL CHECK (jsonb_typeof(people) = 'object'),
    categories text[] NOT NULL,
    first_day date NOT NULL
);

CREATE TABLE charges (
    campaign_id bigint NOT NULL REFERENCES charge_counts ON DELETE CASCADE,
    account_id bigint,  -- NULL: unknown, after a restore
    country text NOT NULL,  -- two letters of ISO 3166; '' for an unknown country, such as that of an erased person
    category text NOT NULL,  -- as Meta reports it; '' if Meta has not reported it
    day date NOT NULL,  -- of the sending, in the zone of the campaign
    is_billable boolean,  -- NULL: not reported
    count bigint NOT NULL CHECK (count > 0)
);
CREATE INDEX charges_by_campaign ON charges (campaign_id, day);
CREATE INDEX charges_by_day ON charges (day, campaign_id);

-- The tokens with which programs use the API. The program has the token, and the row has its SHA-256. A token is never
-- deleted, because the audit has its id: docs/decisions/0112.
CREATE TABLE api_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,  -- the owner: the token never may do more than this user
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    networks cidr[] NOT NULL DEFAULT '{}',  -- from which requests may come; {}: from everywhere
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,  -- a request moves this time at most once a minute
    revoked_at timestamptz,
    CONSTRAINT tokens_end_within_a_year
        CHECK (expires_at > created_at AND expires_at <= created_at + interval '8760 hours')
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

-- The requests with an Idempotency-Key that the API has carried out. A row is written in the transaction of the change,
-- and is kept for 24 hours. If the same request comes again, it gets the same answer.
CREATE TABLE idempotency_keys (
    token_id bigint NOT NULL REFERENCES api_tokens,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    digest bytea NOT NULL CHECK (length(digest) = 32),  -- of the method, the path and the body
    answer jsonb NOT NULL CHECK (jsonb_typeof(answer) = 'object'),  -- the status, the headers and the body
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);

-- The addresses of other programs that get the webhooks too: docs/decisions/0116. `fields` and `phone_number_ids` choose
-- the changes that a target gets; {}: all.
CREATE TABLE forwards (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL CHECK (url <> ''),
    fields text[] NOT NULL DEFAULT '{}',
    phone_number_ids text[] NOT NULL DEFAULT '{}',
    secret bytea,  -- encrypted; NULL: bodies are signed with META_APP_SECRET, as Meta has signed them
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    disabled_at timestamptz,
    -- One process at a time sends to a target. `lease_no` grows by one each time a process takes the lease.
    lease_no bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    -- The first failure since the last success, with the error of the last failure.
    failing_since timestamptz,
    last_error text,
    silence_count integer NOT NULL DEFAULT 0 CHECK (silence_count >= 0),  -- consecutive tries without an answer
    paused_until timestamptz,  -- after a try without an answer, nothing is sent before this time
    delivered_count bigint NOT NULL DEFAULT 0 CHECK (delivered_count >= 0),
    delivered_at timestamptz,
    given_up_count bigint NOT NULL DEFAULT 0 CHECK (given_up_count >= 0),
    CONSTRAINT forwards_fail_for_a_reason CHECK ((failing_since IS NULL) = (last_error IS NULL))
);

-- Copies of the bodies of webhooks, as received. The receiver writes them in the statement that stores the webhooks, if a
-- forward is enabled. `webhooks.forward` moves them to `forward_bodies`.
CREATE TABLE forward_inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    body bytea NOT NULL
);

-- The bodies that wait for a target, which gets them in the order of `next_try_at`. That is the time of receipt, unless
-- the body waits for a later try. A body is deleted once the target has accepted it.
CREATE TABLE forward_bodies (
    forward_id bigint NOT NULL REFERENCES forwards ON DELETE CASCADE,
    inbox_id bigint NOT NULL,  -- the id that the body had in `forward_inbox`
    received_at timestamptz NOT NULL,
    phone_number_ids text[] NOT NULL,  -- of the changes in the body; {}: they are about no number
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_try_at timestamptz NOT NULL,
    is_unanswered boolean NOT NULL DEFAULT false,  -- the last try got no answer
    body bytea NOT NULL,
    PRIMARY KEY (forward_id, inbox_id)
);
CREATE INDEX forward_bodies_due ON forward_bodies (forward_id, next_try_at, inbox_id);
CREATE INDEX forward_bodies_by_time ON forward_bodies (received_at);

-- Hooks: addresses of other programs that get a POST for each event of their types: docs/decisions/0115.
CREATE TABLE hooks (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL CHECK (url ~ '^[Hh][Tt][Tt][Pp][Ss]?://' AND length(url) <= 2000),
    types text[] NOT NULL CHECK (cardinality(types) > 0),
    secret bytea NOT NULL,  -- signs each POST; encrypted with REVOADA_SECRET_KEY
    old_secret bytea,  -- also signs until `old_secret_until`, so that the receiver has time to change its secret
    old_secret_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    succeeded_at timestamptz,  -- the time of the last POST that the receiver accepted
    failing_since timestamptz,  -- the first failed POST since the last success, or since the hook was enabled
    disabled_at timestamptz,
    disabled_reason text CHECK (disabled_reason IN ('person', 'gone', 'failing')),
    -- A process delivers the events of the hook until this time. A lost task costs no more than the rest of this time.
    busy_until timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT disabled_says_why CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL)),
    CONSTRAINT old_secret_is_whole CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);

-- The events, each written in the transaction of its fact. `data` has ids and counts, and a phone only in events of the
-- type `person.opted_out`. `planned_at` NULL: no delivery is planned yet.
CREATE TABLE hook_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    uid uuid NOT NULL DEFAULT uuidv7(),  -- names the event to receivers, also after a restore has set `id` back
    type text NOT NULL CHECK (type ~ '^[a-z]+\.[a-z_]+$'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    data jsonb NOT NULL CHECK (jsonb_typeof(data) = 'object'),
    planned_at timestamptz
);
CREATE INDEX hook_events_unplanned ON hook_events (id) WHERE planned_at IS NULL;
CREATE INDEX hook_events_by_time ON hook_events (at, id);
CREATE INDEX hook_events_by_person ON hook_events ((data ->> 'phone')) WHERE type = 'person.opted_out';

-- The delivery of each event to each hook. There are no foreign keys: a key would lock the row of the hook. `due_at`
-- NULL: the receiver has accepted the event (`delivered_at`), or no further try is due. `status`, `error`, `answer` and
-- `seconds` are those of the last try.
CREATE TABLE hook_deliveries (
    hook_id bigint NOT NULL,
    event_id bigint NOT NULL,
    try_count integer NOT NULL DEFAULT 0 CHECK (try_count >= 0),  -- since the event was planned or sent again
    due_at timestamptz DEFAULT clock_timestamp(),
    tried_at timestamptz,
    delivered_at timestamptz,
    status integer,  -- of HTTP
    error text,  -- the reason why there was no answer
    answer text,  -- the beginning of the body
    seconds double precision,
    PRIMARY KEY (hook_id, event_id),
    CONSTRAINT delivered_is_not_due CHECK (delivered_at IS NULL OR due_at IS NULL)
);
CREATE INDEX hook_deliveries_due ON hook_deliveries (hook_id, due_at, event_id) WHERE due_at IS NOT NULL;
CREATE INDEX hook_deliveries_given_up ON hook_deliveries (hook_id, event_id)
    WHERE due_at IS NULL AND delivered_at IS NULL;
CREATE INDEX hook_deliveries_by_event ON hook_deliveries (event_id);

-- Triggers write the events, so that each statement that changes a status writes its event in the same transaction,
-- also a statement of an older version. No trigger belongs to `messages`, so claims and settlements pay nothing.
CREATE FUNCTION note_campaign() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fact text := CASE
        WHEN NEW.status = OLD.status THEN 'waiting'
        WHEN NEW.status = 'running' AND OLD.started_at IS NULL THEN 'started'
        WHEN NEW.status IN ('paused', 'completed', 'cancelled') THEN NEW.status::text
        WHEN OLD.status IN ('paused', 'completed') THEN 'resumed'
    END;
BEGIN
    IF fact IS NOT NULL THEN
        INSERT INTO hook_events (type, data)
        SELECT 'campaign.' || fact, jsonb_build_object('campaign_id', NEW.id::text, 'counts',
                (SELECT coalesce(jsonb_object_agg(t.status, t.count), '{}')
                 FROM tallies t WHERE t.campaign_id = NEW.id AND t.count > 0))
            || CASE WHEN fact = 'waiting' THEN jsonb_build_object('reason', NEW.waiting_reason) ELSE '{}' END;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER campaign_noted AFTER UPDATE OF status ON campaigns FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND NEW.test_of IS NULL) EXECUTE FUNCTION note_campaign();
-- Waits that end by themselves within minutes are no events.
CREATE TRIGGER wait_noted AFTER UPDATE OF waiting_reason ON campaigns FOR EACH ROW
    WHEN (NEW.waiting_reason IN ('window', 'unreachable', 'no_active_account', 'template', 'daily_limit')
        AND NEW.waiting_reason IS DISTINCT FROM OLD.waiting_reason AND NEW.status = OLD.status AND NEW.test_of IS NULL)
    EXECUTE FUNCTION note_campaign();

CREATE FUNCTION note_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hook_events (type, data)
    VALUES (
        'account.' || CASE
            WHEN NEW.kind LIKE 'health\_%' THEN 'health_changed'
            WHEN NEW.kind = 'category_deactivated' THEN 'deactivated'
            ELSE NEW.kind END,
        jsonb_build_object('account_id', NEW.account_id::text, 'account_event_id', NEW.id::text, 'kind', NEW.kind));
    RETURN NULL;
END $$;
CREATE TRIGGER account_noted AFTER INSERT ON account_events FOR EACH ROW
    WHEN (NEW.kind NOT IN ('created', 'blocked')) EXECUTE FUNCTION note_account();

CREATE FUNCTION note_template() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hook_events (type, data)
    VALUES ('template.status_changed', jsonb_build_object('template_id', NEW.id::text, 'name', NEW.name,
        'language', NEW.language, 'status', NEW.status, 'old_status', OLD.status));
    RETURN NULL;
END $$;
CREATE TRIGGER template_noted AFTER UPDATE OF status ON templates FOR EACH ROW
    WHEN (NEW.status <> OLD.status) EXECUTE FUNCTION note_template();

CREATE FUNCTION note_file_job() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hook_events (type, data)
    VALUES (
        CASE WHEN NEW.kind IN ('export', 'export_optouts') THEN 'export.ready' ELSE 'import.finished' END,
        jsonb_build_object('job_id', NEW.id::text, 'kind', NEW.kind, 'campaign_id', NEW.campaign_id::text,
            'status', NEW.status));
    RETURN NULL;
END $$;
CREATE TRIGGER file_job_noted AFTER UPDATE OF status ON file_jobs FOR EACH ROW
    WHEN (NEW.status <> OLD.status AND (NEW.kind IN ('add', 'replace', 'suppress')
        OR NEW.kind IN ('export', 'export_optouts') AND NEW.status = 'done'))
    EXECUTE FUNCTION note_file_job();

CREATE FUNCTION note_stalled_worker() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO hook_events (type, data) VALUES ('worker.stalled', jsonb_build_object('worker', NEW.name));
    RETURN NULL;
END $$;
CREATE TRIGGER stalled_worker_noted AFTER UPDATE OF stalled_seconds ON workers FOR EACH ROW
    WHEN (OLD.stalled_seconds IS NULL AND NEW.stalled_seconds IS NOT NULL) EXECUTE FUNCTION note_stalled_worker();
