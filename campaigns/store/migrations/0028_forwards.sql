-- Adds the forwards, and the webhook bodies that wait for them: docs/decisions/0116. The tables are new and empty. An
-- older process does not know the tables, so an older receiver copies no bodies for forwards.
CREATE TABLE forwards (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    url text NOT NULL CHECK (url <> ''),
    fields text[] NOT NULL DEFAULT '{}',
    phone_number_ids text[] NOT NULL DEFAULT '{}',
    secret bytea,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    disabled_at timestamptz,
    lease_no bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    failing_since timestamptz,
    last_error text,
    silence_count integer NOT NULL DEFAULT 0 CHECK (silence_count >= 0),
    paused_until timestamptz,
    delivered_count bigint NOT NULL DEFAULT 0 CHECK (delivered_count >= 0),
    delivered_at timestamptz,
    given_up_count bigint NOT NULL DEFAULT 0 CHECK (given_up_count >= 0),
    CONSTRAINT forwards_fail_for_a_reason CHECK ((failing_since IS NULL) = (last_error IS NULL))
);

CREATE TABLE forward_inbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    body bytea NOT NULL
);

CREATE TABLE forward_bodies (
    forward_id bigint NOT NULL REFERENCES forwards ON DELETE CASCADE,
    inbox_id bigint NOT NULL,
    received_at timestamptz NOT NULL,
    phone_number_ids text[] NOT NULL,
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_try_at timestamptz NOT NULL,
    is_unanswered boolean NOT NULL DEFAULT false,
    body bytea NOT NULL,
    PRIMARY KEY (forward_id, inbox_id)
);
CREATE INDEX forward_bodies_due ON forward_bodies (forward_id, next_try_at, inbox_id);
CREATE INDEX forward_bodies_by_time ON forward_bodies (received_at);
