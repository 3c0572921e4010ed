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
    CONSTRAINT only_tasks_lack_a_surface CHECK ((surface IS NULL) = (actor_kind = 'task'))
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
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
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
