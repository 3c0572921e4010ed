-- Adds the tokens of the API, and the requests that the API has carried out once: docs/decisions/0112. The tables are
-- new and empty. The foreign key waits for a short lock of `users`. An older process does not know the tables.
CREATE TABLE api_tokens (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    networks cidr[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT tokens_end_within_a_year
        CHECK (expires_at > created_at AND expires_at <= created_at + interval '8760 hours')
);
CREATE INDEX api_tokens_by_user ON api_tokens (user_id);

CREATE TABLE idempotency_keys (
    token_id bigint NOT NULL REFERENCES api_tokens,
    key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    digest bytea NOT NULL CHECK (length(digest) = 32),
    answer jsonb NOT NULL CHECK (jsonb_typeof(answer) = 'object'),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (token_id, key)
);
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
