-- name: await_file
SET LOCAL idle_in_transaction_session_timeout = 0

-- name: stage_recipients
CREATE TEMPORARY TABLE staged_recipients (
    row_number bigint NOT NULL, phone text, recipient_key text, zones text, variables text, consent text,
    column_name text, reason text
) ON COMMIT DROP

-- name: copy_recipients
COPY staged_recipients (row_number, phone, recipient_key, zones, variables, consent, column_name, reason) FROM STDIN

-- name: insert_import
INSERT INTO imports (campaign_id, file_name, file_sha256)
VALUES (%(campaign_id)s, %(file_name)s, %(file_sha256)s)

-- name: insert_import_errors
INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason)
SELECT %(campaign_id)s, %(file_name)s, s.row_number, s.column_name, s.reason
FROM staged_recipients s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number

-- name: insert_zones
-- The places of a file's people that the campaign does not know yet. The caller's import holds the campaign.
INSERT INTO campaign_zones (campaign_id, id, names)
SELECT %(campaign_id)s,
    coalesce((SELECT max(id) FROM campaign_zones WHERE campaign_id = %(campaign_id)s), 0)
        + row_number() OVER (ORDER BY found.zones),
    found.zones
FROM (
    SELECT DISTINCT s.zones FROM staged_recipients s
    WHERE s.zones IS NOT NULL
        AND NOT EXISTS (SELECT FROM campaign_zones z WHERE z.campaign_id = %(campaign_id)s AND z.names = s.zones)
) found

-- name: insert_recipients
-- Good rows become messages, in the order of the file: the ids are drawn above the sort. The first row of a person wins,
-- also against rows that the campaign has already.
INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables, consent)
SELECT %(campaign_id)s, s.phone, s.recipient_key, z.id, string_to_array(s.variables, %(separator)s), s.consent
FROM staged_recipients s
LEFT JOIN campaign_zones z ON z.campaign_id = %(campaign_id)s AND z.names = s.zones
WHERE s.reason IS NULL
ORDER BY s.row_number
ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING

-- name: count_staged
SELECT count(*) FROM staged_recipients

-- name: drop_staged
DROP TABLE staged_recipients

-- name: count_recipients
UPDATE campaigns
SET recipient_count = recipient_count + %(recipient_count)s,
    duplicate_count = duplicate_count + %(duplicate_count)s,
    rejected_count = rejected_count + %(rejected_count)s
WHERE id = %(campaign_id)s

-- name: analyze_messages
ANALYZE (SKIP_LOCKED) messages

-- name: find_overlaps
-- Who else writes to these people: campaigns that are alive, and those of the last days. Messages that will never leave
-- do not count. One hash of this campaign's people, and one walk over the messages of those campaigns: an index on the
-- person alone would cost every import a quarter of its time.
WITH others AS (
    SELECT c.id, c.name, c.status,
           CASE c.status
               WHEN 'draft' THEN c.created_at
               WHEN 'scheduled' THEN c.scheduled_at
               WHEN 'completed' THEN c.completed_at
               WHEN 'cancelled' THEN c.cancelled_at
               ELSE c.started_at
           END AS at,
           EXISTS (
               SELECT FROM imports theirs JOIN imports ours USING (file_sha256)
               WHERE theirs.campaign_id = c.id AND ours.campaign_id = %(campaign_id)s
           ) AS has_same_file
    FROM campaigns c
    WHERE c.id <> %(campaign_id)s AND c.test_of IS NULL
        AND (c.status IN ('pending', 'scheduled', 'running', 'paused')
             OR coalesce(c.completed_at, c.cancelled_at, c.started_at, c.created_at) > now() - make_interval(days => %(days)s))
), shared AS (
    SELECT theirs.campaign_id, count(*) AS shared_count
    FROM messages ours
    JOIN messages theirs USING (recipient_key)
    WHERE ours.campaign_id = %(campaign_id)s
        AND theirs.campaign_id = ANY (ARRAY (SELECT id FROM others))
        AND theirs.status NOT IN ('suppressed', 'cancelled')
    GROUP BY theirs.campaign_id
)
SELECT o.id AS campaign_id, o.name, o.status, o.at, now() AS server_now, coalesce(s.shared_count, 0) AS shared_count,
       c.recipient_count AS people_count, o.has_same_file
FROM others o
LEFT JOIN shared s ON s.campaign_id = o.id
JOIN campaigns c ON c.id = %(campaign_id)s
WHERE s.shared_count > 0 OR o.has_same_file
ORDER BY shared_count DESC, o.id

-- name: list_import_errors
SELECT file_name, row_number, column_name, reason FROM import_errors
WHERE campaign_id = %(campaign_id)s
ORDER BY id
LIMIT %(limit)s
OFFSET %(skip)s

-- name: load_zones
SELECT id, names FROM campaign_zones WHERE campaign_id = %(campaign_id)s

-- name: count_pending_in_zones
-- How many unsent messages of a campaign go to people in these zones. The query reads the whole campaign once. It runs
-- only if the window is never open in one of the zones.
SELECT count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending' AND m.zone_id = ANY (%(zone_ids)s::smallint[])
