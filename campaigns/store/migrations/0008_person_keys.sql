-- Keys of the hashes in `forgotten`, derived from each REVOADA_SECRET_KEY and encrypted with the newest one by
-- `revoada rekey`. With them people stay forgotten when an older key is removed from the setting.
CREATE TABLE person_keys (
    key_id bytea PRIMARY KEY,
    sealed bytea NOT NULL
);
