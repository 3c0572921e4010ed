-- Adds the people of an earlier campaign as the people of a draft, and the work that gives a draft many of them:
-- docs/decisions/0114. The table is new and empty. An older worker does not know it, and sends also to people whom later
-- evidence would take out. An older process of the role `files` ends such work as failed.
CREATE TABLE audiences (
    campaign_id bigint PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
    source_id bigint NOT NULL REFERENCES campaigns,
    conditions text NOT NULL CHECK (conditions <> ''),
    made_at timestamptz NOT NULL,
    recipient_count bigint NOT NULL DEFAULT 0,
    uncertain_count bigint NOT NULL DEFAULT 0,
    last_id bigint NOT NULL DEFAULT 0,
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

ALTER TABLE file_jobs DROP CONSTRAINT file_jobs_kind_check;
ALTER TABLE file_jobs ADD CONSTRAINT file_jobs_kind_check
    CHECK (kind IN ('look', 'add', 'replace', 'fill', 'export', 'copy', 'suppress', 'export_optouts'));
