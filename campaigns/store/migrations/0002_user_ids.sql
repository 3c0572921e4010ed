-- People who are known by a user id, and answers that may be opt-outs: docs/decisions/0028.

CREATE TABLE user_ids (
    user_id text NOT NULL CHECK (user_id <> '' AND user_id NOT LIKE '+%'),
    recipient_key text NOT NULL CHECK (recipient_key LIKE '+%'),
    at timestamptz NOT NULL,
    PRIMARY KEY (user_id, recipient_key)
);
CREATE INDEX user_ids_by_person ON user_ids (recipient_key);

CREATE TABLE user_id_changes (
    user_id text NOT NULL,
    other_id text NOT NULL CHECK (other_id <> user_id),
    PRIMARY KEY (user_id, other_id)
);

CREATE TABLE optout_reviews (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    recipient_key text NOT NULL,
    answer bytea NOT NULL UNIQUE,
    source text NOT NULL CHECK (source IN ('word', 'button')),
    detail text NOT NULL,
    text text NOT NULL,
    said_at timestamptz NOT NULL,
    phone_number_id text NOT NULL,
    message_id bigint,
    opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    decided_at timestamptz,
    decision text CHECK (decision IN ('accepted', 'dismissed')),
    CONSTRAINT decided_is_whole CHECK ((decided_at IS NULL) = (decision IS NULL)),
    CONSTRAINT decided_is_erased CHECK (decided_at IS NULL OR text = '')
);
CREATE INDEX optout_reviews_open ON optout_reviews (recipient_key) WHERE decided_at IS NULL;

ALTER TABLE installation ADD COLUMN reviews_told_at timestamptz;
