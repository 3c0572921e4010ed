-- Adds standing campaigns, to which programs post single messages: docs/decisions/0113. A person may get several
-- posted messages of one campaign, so `one_message_per_person` gets the column `posted_id`. The new columns have
-- constant defaults, so no table is rewritten. Postgres builds the index of the constraint anew, and no process
-- reads or writes messages meanwhile: about two seconds per million messages. Older processes name the constraint,
-- not its columns, so they go on to import lists. The constraint `standing_goes_on` keeps an older worker from
-- completing a standing campaign.
ALTER TABLE campaigns
    ADD COLUMN is_standing boolean NOT NULL DEFAULT false,
    ADD COLUMN standing_account_id bigint REFERENCES accounts,
    ADD CONSTRAINT standing_goes_on CHECK (NOT is_standing OR status <> 'completed' OR expire_at IS NOT NULL),
    ADD CONSTRAINT standing_has_one_clock CHECK (NOT is_standing OR NOT uses_recipient_zones),
    ADD CONSTRAINT only_standing_has_its_account CHECK (is_standing OR standing_account_id IS NULL),
    DROP CONSTRAINT campaigns_waiting_reason_check,
    ADD CONSTRAINT campaigns_waiting_reason_check CHECK (waiting_reason IN
        ('interval', 'pause', 'window', 'retry', 'throttled', 'unreachable', 'no_active_account', 'template',
         'daily_limit', 'idle'));
CREATE UNIQUE INDEX campaigns_standing ON campaigns (standing_account_id, template_id)
    WHERE standing_account_id IS NOT NULL;
ALTER TABLE messages
    ADD COLUMN posted_id bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT one_message_per_person,
    ADD CONSTRAINT one_message_per_person UNIQUE (campaign_id, recipient_key, posted_id);
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
