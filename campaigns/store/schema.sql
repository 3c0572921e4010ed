-- The truth of Revoada. PostgreSQL 18.
--
-- This file is what the migrations must build (`make check` proves it); read it, change it through a migration.
-- Locks are taken in the order campaigns, portfolios, leases, messages (by id), accounts, account_categories, tallies,
-- people (`lock_people`).

CREATE TYPE campaign_status AS ENUM
    ('draft', 'pending', 'scheduled', 'running', 'paused', 'completed', 'cancelled');

-- Weakest to strongest evidence: evidence replaces a status only by a greater one.
CREATE TYPE message_status AS ENUM
    ('suppressed', 'cancelled', 'expired', 'pending', 'sending', 'uncertain', 'held', 'sent', 'failed', 'delivered', 'read');

-- One row: which installation this is. It travels in the callback data, so that a copy of this database that is
-- pointed at the same WABA cannot take our evidence for its own.
CREATE TABLE installation (
    id text PRIMARY KEY DEFAULT lpad(to_hex((random() * 4294967295)::bigint), 8, '0') CHECK (id ~ '^[0-9a-f]{8}$'),
    recovered_at timestamptz,  -- when `revoada recover` last ran
    is_only boolean NOT NULL DEFAULT true UNIQUE CHECK (is_only),
    ticked_at timestamptz,  -- the last tick; NULL: there was none yet
    reviews_told_at timestamptz  -- when somebody was last told that answers wait for review; NULL: none waits
);

-- The worker processes, as each says of itself every few seconds. A row that is not written any more: the process is
-- gone without a word, frozen, or has no way to this database.
CREATE TABLE workers (
    owner text PRIMARY KEY,  -- as in `leases`: the process
    name text NOT NULL,  -- what Celery calls it
    queues text[] NOT NULL,
    slots integer NOT NULL,
    running_count integer NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    consumed_at timestamptz NOT NULL,  -- when it began its last task, of whatever kind
    stalled_seconds double precision,  -- it takes no task since then, though one waits and a slot is free
    skew_seconds double precision NOT NULL  -- how far its clock is ahead of this server's
);

-- Accounts that share Meta's limit of unique people in 24 hours. `people_count`: how many rows `portfolio_people` has.
CREATE TABLE portfolios (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name <> ''),
    daily_limit integer NOT NULL CHECK (daily_limit > 0),
    people_count integer NOT NULL DEFAULT 0 CHECK (people_count >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Whom a portfolio has messaged, until each leaves the moving window: docs/decisions/0015.
CREATE TABLE portfolio_people (
    portfolio_id bigint NOT NULL REFERENCES portfolios ON DELETE CASCADE,
    recipient_key text NOT NULL,
    until timestamptz NOT NULL,
    message_id bigint,  -- the only message that counts the person; NULL: there are several
    PRIMARY KEY (portfolio_id, recipient_key)
);
CREATE INDEX portfolio_people_by_end ON portfolio_people (portfolio_id, until);
CREATE INDEX portfolio_people_by_message ON portfolio_people (message_id) WHERE message_id IS NOT NULL;

-- The count changes with the statement that changes the rows, as tallies do. Whoever writes here has locked the
-- portfolio first.
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

-- A sending phone number.
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
    -- Only what was sent since counts; also the version that guards a streak: a reply to an older send changes nothing.
    activated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Two streaks of failures that are the account's own fault, counted apart: replies, and webhooks.
    consecutive_failures integer NOT NULL DEFAULT 0 CHECK (consecutive_failures >= 0),
    failures jsonb NOT NULL DEFAULT '[]',
    consecutive_reported integer NOT NULL DEFAULT 0 CHECK (consecutive_reported >= 0),
    reported jsonb NOT NULL DEFAULT '[]',
    -- Meta asked for a rest, or cannot be reached. `block_count` makes the next rest longer; a success resets it.
    blocked_until timestamptz,
    blocked_reason text,
    block_count integer NOT NULL DEFAULT 0 CHECK (block_count >= 0),
    -- Health informs and decides nothing.
    health_asked_at timestamptz,
    health_checked_at timestamptz,
    health jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT inactive_says_why CHECK (active = (inactive_reason IS NULL)),
    health_begun_at timestamptz  -- the check that `health_asked_at` asked for, by the one task that makes it
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

-- Failures of one category of an account's templates, which do not count for the whole account, and whether the account
-- still sends that category: docs/decisions/0033. Without a row there was no such failure since the account was
-- activated: an activation deletes the account's rows. Rows are added and deactivated under the lock of the account.
CREATE TABLE account_categories (
    account_id bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    category text NOT NULL CHECK (category <> ''),  -- Meta's word: MARKETING, UTILITY, AUTHENTICATION
    -- The account's at the first of these failures. It guards both streaks: a reply to an older send changes nothing.
    activated_at timestamptz NOT NULL,
    failures jsonb NOT NULL DEFAULT '[]',  -- two streaks, as in accounts: by replies, and by webhooks
    reported jsonb NOT NULL DEFAULT '[]',
    inactive_since timestamptz,  -- set: the account sends no template of this category
    inactive_reason text,
    inactive_code integer,  -- Meta's code of the last failure
    PRIMARY KEY (account_id, category),
    CONSTRAINT inactive_is_whole CHECK (num_nulls(inactive_since, inactive_reason, inactive_code) IN (0, 3))
);

-- As each WABA has them, since each judges its own: docs/decisions/0011.
CREATE TABLE templates (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    waba_id text NOT NULL DEFAULT '' CHECK (waba_id ~ '^[0-9]{0,32}$'),  -- '': added by a person, for any WABA
    meta_id text,
    name text NOT NULL CHECK (name ~ '^[a-z0-9_]+$' AND length(name) <= 512),
    language text NOT NULL CHECK (language ~ '^[a-z]{2,3}(_[A-Za-z0-9]{2,4})?$'),
    components jsonb NOT NULL,  -- as Meta lists them
    -- Three things that Meta says by webhook and in its list, each with Meta's time of it: the newest wins.
    status text NOT NULL DEFAULT 'approved',
    status_at timestamptz NOT NULL DEFAULT now(),
    category text NOT NULL DEFAULT '',
    category_at timestamptz NOT NULL DEFAULT '-infinity',
    quality text NOT NULL DEFAULT '',
    quality_at timestamptz NOT NULL DEFAULT '-infinity',
    blocked_until timestamptz,  -- no message is tried before
    synced_at timestamptz,  -- when the read began that last said something of it
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (name, language, waba_id)
);

CREATE TABLE campaigns (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (name <> ''),
    status campaign_status NOT NULL DEFAULT 'draft',
    template_id bigint NOT NULL REFERENCES templates,
    -- What fills the template for all alike, by name; null: an optional parameter that each row brings.
    parameters jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(parameters) = 'object'),
    columns text[] NOT NULL DEFAULT '{}',  -- what its recipients bring, as the template named it then
    test_of bigint REFERENCES campaigns ON DELETE CASCADE,  -- a test of that campaign: sent alike, counted apart
    scheduled_at timestamptz,
    start_within_seconds double precision CHECK (start_within_seconds > 0),  -- later than that it expires at once
    expire_at timestamptz,  -- what is not sent by then never is
    -- Who had so many messages of other campaigns in so many days is skipped.
    max_per_person integer CHECK (max_per_person > 0),
    within_days integer CHECK (within_days BETWEEN 1 AND 366),
    -- Pace: own interval, own pause, own window.
    interval_seconds double precision NOT NULL DEFAULT 0 CHECK (interval_seconds BETWEEN 0 AND 86400),
    pause_after integer CHECK (pause_after > 0),
    pause_seconds double precision CHECK (pause_seconds > 0),
    window_from time,
    window_to time,
    weekdays integer[] NOT NULL DEFAULT '{1,2,3,4,5,6,7}' CHECK (weekdays <@ '{1,2,3,4,5,6,7}' AND weekdays <> '{}'),
    time_zone text NOT NULL,
    uses_recipient_zones boolean NOT NULL DEFAULT false,  -- the window is that of each person's own clock
    holidays text,  -- BR or BR-SP: closed on its public holidays
    -- Why a running campaign waits, and when it is looked at again. `due_at` NULL: now.
    waiting_reason text CHECK (waiting_reason IN
        ('interval', 'pause', 'window', 'retry', 'throttled', 'unreachable', 'no_active_account', 'template',
         'daily_limit')),
    due_at timestamptz,
    enqueued_at timestamptz,  -- a task that nobody has taken yet was published then
    -- Where the search for the next unclaimed message starts: a hint, never a fact (the status decides).
    cursor bigint NOT NULL DEFAULT 0,
    recipient_count bigint NOT NULL DEFAULT 0,
    duplicate_count bigint NOT NULL DEFAULT 0,
    rejected_count bigint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    completed_at timestamptz,
    cancelled_at timestamptz CHECK (cancelled_at IS NULL OR status = 'cancelled'),
    erased_at timestamptz,  -- when the phones and variables of its messages were deleted
    -- When a restore was recovered from: what was claimed before is never sent again by itself (docs/decisions/0019).
    recovered_at timestamptz,
    uncertain_told_at timestamptz,  -- when somebody was last told of messages that no webhook settles
    CONSTRAINT cap_is_whole CHECK ((max_per_person IS NULL) = (within_days IS NULL)),
    CONSTRAINT pause_is_whole CHECK ((pause_after IS NULL) = (pause_seconds IS NULL)),
    CONSTRAINT lateness_has_a_schedule CHECK (start_within_seconds IS NULL OR scheduled_at IS NOT NULL),
    CONSTRAINT window_is_whole CHECK ((window_from IS NULL) = (window_to IS NULL)),
    CONSTRAINT only_running_waits CHECK (waiting_reason IS NULL OR status IN ('running', 'paused')),
    CONSTRAINT completed_says_when CHECK ((status = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT running_has_started CHECK (status NOT IN ('running', 'completed') OR started_at IS NOT NULL)
) WITH (fillfactor = 50);  -- ticks and slices update it all the time: room for HOT updates
CREATE INDEX campaigns_alive ON campaigns (created_at, id) WHERE status IN ('pending', 'scheduled', 'running');

-- Eligible: may run now, or before `horizon`. The tick, the lease and every doorbell ask this one question.
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

-- The category of a campaign's template for an account: the one in the account's WABA, else the one in the campaign's
-- own template row. An unknown category counts as MARKETING.
CREATE VIEW campaign_categories AS
SELECT c.id AS campaign_id, a.id AS account_id,
    coalesce(nullif(own.category, ''), nullif(t.category, ''), 'MARKETING') AS category
FROM campaigns c
JOIN templates t ON t.id = c.template_id
CROSS JOIN accounts a
LEFT JOIN templates own ON own.name = t.name AND own.language = t.language AND own.waba_id = a.waba_id;

-- Where the people of a campaign may be, by their phones: `names` are all the time zones of a prefix.
CREATE TABLE campaign_zones (
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    id smallint NOT NULL CHECK (id > 0),
    names text NOT NULL CHECK (names <> ''),
    PRIMARY KEY (campaign_id, id),
    UNIQUE (campaign_id, names)
);

-- The right to run a campaign until a time. Kept apart from `campaigns`: a renewal must not wait behind anything else.
-- The pace of the run stands here too, because the claim that moves it holds this row already.
CREATE TABLE leases (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    epoch bigint NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT '-infinity',
    owner text NOT NULL DEFAULT '',
    next_message_at timestamptz,
    burst_count integer NOT NULL DEFAULT 0  -- messages since the last pause
) WITH (fillfactor = 50);

-- One row per recipient and campaign: the message itself. No foreign keys here: they cost a lookup and a share lock
-- per row on the hot path, and campaigns and accounts are never deleted under a message.
CREATE TABLE messages (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL,
    account_id bigint,
    not_before timestamptz,  -- set when a message was released: it is claimed again after that, apart from the cursor
    claimed_at timestamptz,
    sent_at timestamptz,
    delivered_at timestamptz,
    read_at timestamptz,
    failed_at timestamptz,
    status message_status NOT NULL DEFAULT 'pending',
    error_code integer,
    send_no smallint NOT NULL DEFAULT 0,  -- numbers every request that may have left
    attempts smallint NOT NULL DEFAULT 0,  -- the part of them that used the budget
    pair_refusals smallint NOT NULL DEFAULT 0,  -- how often Meta said: too many to this person
    -- Sends whose outcome nobody knows, and after which the message may be sent again: docs/decisions/0018, 0019.
    doubted int4multirange,
    zone_id smallint,  -- in `campaign_zones`; NULL: nobody knows, so the campaign's own zone counts
    phone text CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),  -- as given, and as sent to; NULL: erased
    recipient_key text,  -- who that is: one form for each person; NULL: erased
    variables text[] NOT NULL DEFAULT '{}',
    consent text,  -- where the list says that the person agreed, as it says it
    refused_by bigint[],  -- accounts that could not send it
    wamid text,
    error_title text,
    error_details text,
    pricing_category text,
    pricing_model text,
    is_billable boolean,  -- as Meta reports it; free inside a service window, for example
    CONSTRAINT one_message_per_person UNIQUE (campaign_id, recipient_key),
    CONSTRAINT erased_is_whole CHECK ((phone IS NULL) = (recipient_key IS NULL)
        AND (phone IS NOT NULL OR (variables = '{}' AND consent IS NULL))),
    CONSTRAINT only_ended_is_erased CHECK (phone IS NOT NULL OR status NOT IN ('pending', 'sending')),
    CONSTRAINT attempts_are_sends CHECK (attempts BETWEEN 0 AND send_no),
    CONSTRAINT only_pending_waits CHECK (not_before IS NULL OR status = 'pending'),
    -- By whom, a restored database may have forgotten.
    CONSTRAINT sending_is_claimed CHECK (status < 'sending'
        OR (claimed_at IS NOT NULL AND send_no > 0 AND (account_id IS NOT NULL OR (doubted IS NOT NULL AND status > 'sending')))),
    CONSTRAINT accepted_has_wamid CHECK (status NOT IN ('held', 'sent', 'delivered', 'read') OR wamid IS NOT NULL),
    CONSTRAINT sent_says_when CHECK (status NOT IN ('sent', 'delivered', 'read') OR sent_at IS NOT NULL),
    CONSTRAINT failed_says_why CHECK (status <> 'failed' OR (failed_at IS NOT NULL AND error_title IS NOT NULL)),
    CONSTRAINT uncertain_says_why CHECK (status <> 'uncertain' OR error_title IS NOT NULL)
) WITH (
    fillfactor = 45,  -- room beside each message for its next version: a claim is a HOT update, and its dead one goes at once
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.05
);
-- The next messages after the cursor. No status in it, nor in any other index: a claim stays a HOT update.
CREATE INDEX messages_in_order ON messages (campaign_id, id);
-- Released messages that wait for another try: small, whatever the size of the campaign.
CREATE INDEX messages_released ON messages (campaign_id, not_before) WHERE not_before IS NOT NULL;
-- Evidence without our callback data.
CREATE INDEX messages_by_wamid ON messages USING hash (wamid) WHERE wamid IS NOT NULL;

-- Whether evidence about a send counts for the message as it is: about the last send, while that is out; also about a
-- doubted one, until the message has been sent again. One that is pending again because of a doubt is settled by the
-- proof that Meta has it, and by no failure.
CREATE FUNCTION counts_for(
    status message_status, send_no smallint, doubted int4multirange, told_send_no integer, told message_status
) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted @> send_no::integer THEN doubted @> told_send_no ELSE told_send_no = send_no END
    AND (status >= 'sending'
        OR (status = 'pending' AND doubted @> send_no::integer AND told IN ('held', 'sent')));

-- What a message becomes that will not be sent (again): nobody may say of a doubted one that it never left.
CREATE FUNCTION unless_doubted(doubted int4multirange, status message_status) RETURNS message_status
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN doubted IS NULL THEN status ELSE 'uncertain' END;

-- How many messages of a campaign are in each status: changed by the statement that changes the rows, never apart.
CREATE TABLE tallies (
    campaign_id bigint NOT NULL,
    status message_status NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (campaign_id, status)
) WITH (fillfactor = 50);

-- Statement triggers, so that no statement can forget the tallies, also not a repair by hand. The upsert takes its
-- rows in their order, so two statements cannot deadlock here. Why a trigger: docs/decisions/0002.
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

-- Who must not be messaged: one row per person and source, the newest event of each. Suppressed is who has an active
-- row. One that was lifted stays, so that an older event which comes late does not suppress again. `recipient_key` is
-- that of a number. For an event that named a user id there is also a row under that user id: it is applied to each
-- number of the person that becomes known later.
CREATE TABLE suppressions (
    recipient_key text NOT NULL,
    source text NOT NULL CHECK (source IN ('word', 'button', 'meta', 'manual', 'import')),
    is_active boolean NOT NULL DEFAULT true,
    at timestamptz NOT NULL,
    detail text,
    PRIMARY KEY (recipient_key, source)
);

-- The present and past numbers of a person with one of Meta's user ids: every pair that a webhook named. Only `forget`
-- deletes pairs, so an opt-out by a user id reaches every number, in any order of arrival. The pair with the newest
-- `at` names the present number. A transaction that adds a pair, a change or a row under a user id holds the lock of
-- `lock_people`: docs/decisions/0028.
CREATE TABLE user_ids (
    user_id text NOT NULL CHECK (user_id <> '' AND user_id NOT LIKE '+%'),
    recipient_key text NOT NULL CHECK (recipient_key LIKE '+%'),
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, recipient_key)
);
CREATE INDEX user_ids_by_person ON user_ids (recipient_key);

-- Successive user ids of the same person: a new number brings a new id. Each change has two rows, one for each
-- direction.
CREATE TABLE user_id_changes (
    user_id text NOT NULL,
    other_id text NOT NULL CHECK (other_id <> user_id),
    PRIMARY KEY (user_id, other_id)
);

-- Answers that may be opt-outs, one row each; a person decides about them. While an answer is undecided, its author
-- gets no marketing. The decision erases the text and keeps the row, so that a copy of the webhook opens no second
-- review.
CREATE TABLE optout_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient_key text NOT NULL,  -- of the number; a user id until a number is known
    answer bytea NOT NULL UNIQUE,  -- hash of the id of the inbound message
    source text NOT NULL CHECK (source IN ('word', 'button')),  -- of the suppression that it becomes
    detail text NOT NULL,
    text text NOT NULL,
    said_at timestamptz NOT NULL,
    phone_number_id text NOT NULL,  -- the number that was written to
    message_id bigint,  -- the campaign message that was answered; NULL: none of ours
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decision text CHECK (decision IN ('accepted', 'dismissed')),
    CONSTRAINT decided_is_whole CHECK ((decided_at IS NULL) = (decision IS NULL)),
    CONSTRAINT decided_is_erased CHECK (decided_at IS NULL OR text = '')
);
-- Claims of marketing campaigns look up undecided answers by this index.
CREATE INDEX optout_reviews_open ON optout_reviews (recipient_key) WHERE decided_at IS NULL;

-- People who were forgotten: they stay suppressed, and nobody can read who they are. `person` is a hash keyed with
-- REVOADA_SECRET_KEY, `key_id` tells which one that was.
CREATE TABLE forgotten (
    person bytea PRIMARY KEY,
    key_id bytea NOT NULL,
    source text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Confirmations to people who just opted out. Deleted, and committed, before one is sent: at most one leaves.
CREATE TABLE stop_replies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone_number_id text NOT NULL,  -- the number that was written to
    phone text NOT NULL,
    received_at timestamptz NOT NULL  -- the window to answer is open for a day from then
);

-- Which files went into a campaign: the same one in two of them is worth a warning.
CREATE TABLE imports (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    file_sha256 bytea NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX imports_by_campaign ON imports (campaign_id);

-- In the order of the ids: file by file, row by row.
CREATE TABLE import_errors (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    file_name text NOT NULL,
    row_number bigint NOT NULL,
    column_name text NOT NULL,
    reason text NOT NULL
);
CREATE INDEX import_errors_by_campaign ON import_errors (campaign_id, id);

-- Raw webhook bodies as received, until applied. `attempts` is committed before parsing: a body that kills its parser
-- is known by it.
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
