-- The scope of a failure may be one category of an account's templates: docs/decisions/0033. Accounts that an earlier
-- version deactivated stay so, until a person activates them.

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

-- The category of a campaign's template for an account: the one in the account's WABA, else the one in the campaign's
-- own template row. An unknown category counts as MARKETING.
CREATE VIEW campaign_categories AS
SELECT c.id AS campaign_id, a.id AS account_id,
    coalesce(nullif(own.category, ''), nullif(t.category, ''), 'MARKETING') AS category
FROM campaigns c
JOIN templates t ON t.id = c.template_id
CROSS JOIN accounts a
LEFT JOIN templates own ON own.name = t.name AND own.language = t.language AND own.waba_id = a.waba_id;

ALTER TABLE account_events
    DROP CONSTRAINT account_events_kind_check,
    ADD CONSTRAINT account_events_kind_check CHECK (kind IN (
        'created', 'deactivated', 'activated', 'blocked', 'health_worse', 'health_better', 'health_failed',
        'reported', 'category_deactivated'));
