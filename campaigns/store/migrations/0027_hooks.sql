-- Adds hooks, the outbox of their events, and the triggers that write the events: docs/decisions/0115. The tables are new
-- and empty. Each trigger waits for a short lock of its table. Changes by older processes write events, too.
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
