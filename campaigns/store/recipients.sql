-- name: allow_idle_transaction
-- Without the idle timeout, the keepalives let Postgres end the transaction of a client whose machine has vanished,
-- within about half a minute. Until then the transaction would hold its locks.
SELECT set_config('idle_in_transaction_session_timeout', '0', true), set_config('tcp_keepalives_idle', '10', true),
    set_config('tcp_keepalives_interval', '5', true), set_config('tcp_keepalives_count', '3', true),
    set_config('tcp_user_timeout', '30000', true)

-- name: stage_recipients
CREATE TEMPORARY TABLE staged_recipients (
    row_number bigint NOT NULL, phone text, recipient_key text, zones text, variables text, consent text,
    column_name text, reason text, code text
) ON COMMIT DROP

-- name: copy_recipients
COPY staged_recipients (row_number, phone, recipient_key, zones, variables, consent, column_name, reason, code)
FROM STDIN

-- name: reject_staged
-- Rejects the other rows of people who want no messages by one of their rows. The table has no index, so the statement
-- reads it once.
UPDATE staged_recipients
SET zones = NULL, column_name = %(column_name)s, reason = 'belongs to a person who wants no messages by another row',
    code = 'consent_refused'
WHERE reason IS NULL AND recipient_key = ANY (%(keys)s::text[])

-- name: reject_rows
-- Rejects staged rows by their numbers, and returns the people of these rows. Of several problems of a row, the first one
-- counts. The table has no index, so the statement reads it once.
UPDATE staged_recipients s
SET zones = NULL, column_name = problem.column_name, reason = problem.reason, code = %(code)s
FROM (
    SELECT DISTINCT ON (row_number) row_number, column_name, reason
    FROM unnest(%(numbers)s::bigint[], %(columns)s::text[], %(reasons)s::text[])
        WITH ORDINALITY AS each (row_number, column_name, reason, place)
    ORDER BY row_number, place
) problem
WHERE s.row_number = problem.row_number AND s.reason IS NULL
RETURNING s.recipient_key

-- name: insert_import
INSERT INTO imports (campaign_id, file_name, file_sha256, columns)
VALUES (%(campaign_id)s, %(file_name)s, %(file_sha256)s, %(columns)s)

-- name: list_read_columns
-- The newest file of each header comes first.
SELECT columns FROM imports WHERE campaign_id = %(campaign_id)s AND columns IS NOT NULL ORDER BY id DESC

-- name: set_import_facts
-- Writes the facts about the last import of a campaign, which this transaction has inserted.
UPDATE imports SET facts = %(facts)s
WHERE id = (SELECT max(id) FROM imports WHERE campaign_id = %(campaign_id)s)

-- name: list_imported_files
-- The files of a campaign in the order of their imports. An older version stored neither columns nor facts.
SELECT file_name, imported_at, columns, facts FROM imports WHERE campaign_id = %(campaign_id)s ORDER BY id

-- name: insert_import_errors
INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason, code)
SELECT %(campaign_id)s, %(file_name)s, s.row_number, s.column_name, s.reason, s.code
FROM staged_recipients s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number

-- name: insert_zones
-- Adds the sets of time zones of the staged rows to the campaign, except sets that the campaign has already. The caller
-- has locked the campaign.
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
-- Inserts messages for the valid rows, with ids in the order of the file: Postgres assigns the ids after the sort. Of
-- several rows for one person, only the first row becomes a message. If the campaign already has a message to the
-- person, no row becomes a message.
INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables, consent)
SELECT %(campaign_id)s, s.phone, s.recipient_key, z.id, string_to_array(s.variables, %(separator)s), s.consent
FROM staged_recipients s
LEFT JOIN campaign_zones z ON z.campaign_id = %(campaign_id)s AND z.names = s.zones
WHERE s.reason IS NULL
ORDER BY s.row_number
ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING

-- name: find_last_ids
-- Returns the last ids of a campaign's messages and import errors before an import. Ids grow, and the caller has locked
-- the campaign, so the rows with greater ids are rows of this import.
SELECT
    coalesce((SELECT max(id) FROM messages WHERE campaign_id = %(campaign_id)s), 0),
    coalesce((SELECT max(id) FROM import_errors WHERE campaign_id = %(campaign_id)s), 0)

-- name: insert_duplicates
-- Notes the valid rows that did not become messages, because the person has a message by an earlier row of the file, or
-- had a message before this import. Returns the number of people whose message of before has other values than the
-- first of their rows, which is the row that an import into an empty campaign takes. Also returns the number of rows
-- with other values than the first row of the same person in the file, the number of the first such row, and how many of
-- them have another phone: two forms of a phone, such as those with and without the 9 of Brazil, are one person. The
-- query runs only if there are such rows, because it sorts all staged rows.
WITH duplicates AS (
    SELECT s.row_number, s.first_row, s.recipient_key, m.id IS NOT NULL AS is_in_campaign,
        m.id IS NOT NULL AND s.row_number = s.first_row
            AND m.variables <> string_to_array(s.variables, %(separator)s) AS has_other_values,
        s.variables <> s.first_variables AS differs_in_file, s.phone <> s.first_phone AS has_other_phone
    FROM (
        SELECT row_number, recipient_key, phone, variables, first_value(row_number) OVER person AS first_row,
            first_value(variables) OVER person AS first_variables, first_value(phone) OVER person AS first_phone
        FROM staged_recipients WHERE reason IS NULL
        WINDOW person AS (PARTITION BY recipient_key ORDER BY row_number)
    ) s
    LEFT JOIN messages m ON m.campaign_id = %(campaign_id)s AND m.recipient_key = s.recipient_key
        AND m.id <= %(last_message_id)s
    WHERE m.id IS NOT NULL OR s.row_number <> s.first_row
), noted AS (
    INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason, code)
    SELECT %(campaign_id)s, %(file_name)s, d.row_number, %(column_name)s,
        CASE WHEN d.has_other_values THEN 'is in the campaign already, with other values'
            WHEN d.is_in_campaign THEN 'is in the campaign already'
            ELSE 'belongs to the person of row ' || d.first_row END,
        CASE WHEN d.is_in_campaign THEN 'duplicate_in_campaign' ELSE 'duplicate_in_file' END
    FROM duplicates d
    ORDER BY d.row_number
)
SELECT count(DISTINCT recipient_key) FILTER (WHERE has_other_values), count(*) FILTER (WHERE differs_in_file),
    coalesce(min(row_number) FILTER (WHERE differs_in_file), 0),
    count(*) FILTER (WHERE differs_in_file AND has_other_phone),
    coalesce(min(row_number) FILTER (WHERE differs_in_file AND has_other_phone), 0)
FROM duplicates

-- name: compare_with_files
-- Compares the staged rows, which are written already, with each earlier file of the campaign: the number of people who
-- are in both, and of people who are in the earlier file only. `renamed_count`: of the earlier file's people who are not
-- in this file, the number whose values one person of this file has, and nobody else. `starts`: the ids of the first
-- messages of the earlier files, in ascending order; `number`: the place of the file among them.
--
-- The query reads all messages of the campaign once. It runs only if people were added to people.
WITH old AS (
    SELECT m.variables, width_bucket(m.id, %(starts)s::bigint[]) AS number,
        EXISTS (SELECT FROM staged_recipients s WHERE s.reason IS NULL AND s.recipient_key = m.recipient_key) AS is_in_both
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s AND m.id <= %(last_message_id)s
), alone AS (
    SELECT variables, min(number) AS number FROM old GROUP BY variables HAVING count(*) = 1 AND NOT bool_or(is_in_both)
), moved AS (
    SELECT alone.number, count(*) AS renamed_count
    FROM alone JOIN (
        SELECT variables FROM messages
        WHERE campaign_id = %(campaign_id)s AND id > %(last_message_id)s AND variables <> '{}'
        GROUP BY variables HAVING count(*) = 1
    ) new USING (variables)
    GROUP BY alone.number
)
SELECT old.number, count(*) FILTER (WHERE is_in_both), count(*) FILTER (WHERE NOT is_in_both),
    coalesce(min(moved.renamed_count), 0)
FROM old LEFT JOIN moved USING (number)
GROUP BY old.number
ORDER BY old.number

-- name: find_first_imported
-- Plan: the first entry of messages_in_order behind `last_message_id`. The array and the order are deliberate, see
-- `claim_messages`.
SELECT id, phone, variables FROM messages
WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(last_message_id)s
ORDER BY campaign_id, id
LIMIT 1

-- name: group_import_errors
-- Returns the first rows of each code, each with the number of all rows of the code.
SELECT code, row_count, row_number, column_name, reason
FROM (
    SELECT id, code, row_number, column_name, reason, count(*) OVER (PARTITION BY code) AS row_count,
        row_number() OVER (PARTITION BY code ORDER BY id) AS place
    FROM import_errors
    WHERE campaign_id = %(campaign_id)s AND id > %(last_error_id)s
) found
WHERE place <= %(limit)s
ORDER BY min(id) OVER (PARTITION BY code), id

-- name: count_rejected
-- Rows of people who have a message by another row are omitted.
SELECT code, count(*) FROM import_errors
WHERE campaign_id = %(campaign_id)s AND code NOT IN ('duplicate_in_file', 'duplicate_in_campaign')
GROUP BY code

-- name: count_rejected_by_file
-- Counts the rows of `count_rejected` for each file of a campaign. `starts`: by file, the last id before its rows, in the
-- order of the imports.
SELECT width_bucket(id - 1, %(starts)s::bigint[]), code, count(*) FROM import_errors
WHERE campaign_id = %(campaign_id)s AND code NOT IN ('duplicate_in_file', 'duplicate_in_campaign')
GROUP BY 1, 2
ORDER BY 1

-- name: count_import_errors
SELECT count(*) FROM import_errors WHERE campaign_id = %(campaign_id)s

-- name: count_staged
SELECT count(*) FROM staged_recipients

-- name: drop_staged
DROP TABLE staged_recipients

-- name: count_recipients
-- Adds the numbers of an import to a campaign that takes recipients.
UPDATE campaigns
SET recipient_count = recipient_count + %(recipient_count)s,
    duplicate_count = duplicate_count + %(duplicate_count)s,
    rejected_count = rejected_count + %(rejected_count)s
WHERE id = %(campaign_id)s AND status IN ('draft', 'paused')

-- name: analyze_messages
-- Without new statistics, each claim would read and sort all remaining messages until autovacuum analyzes the table, up
-- to a minute later. With SKIP_LOCKED the statement does not wait for another ANALYZE, and ends no autovacuum.
ANALYZE (SKIP_LOCKED) messages

-- name: copy_messages
-- Inserts pending messages to the people of another campaign whose messages have one of the statuses, in the order of
-- the other campaign, with the sets of time zones of the other campaign. Returns whether the other campaign still has
-- the template and the columns that the caller has read, and the number of messages. The other campaign is not locked,
-- because settlements need the lock. One statement reads one snapshot, so the columns, the zones and the messages fit
-- each other, also if people are added meanwhile. Reads all messages of the other campaign once. Of several messages of a
-- standing campaign to one person, the first is copied.
WITH source AS (
    SELECT id FROM campaigns
    WHERE id = %(source_id)s AND template_id = %(template_id)s AND columns = %(columns)s::text[]
), zones AS (
    INSERT INTO campaign_zones (campaign_id, id, names)
    SELECT %(copy_id)s, z.id, z.names FROM campaign_zones z JOIN source s ON s.id = z.campaign_id
), copied AS (
    INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables, consent)
    SELECT %(copy_id)s, m.phone, m.recipient_key, m.zone_id, m.variables, m.consent
    FROM messages m
    JOIN source s ON s.id = m.campaign_id
    WHERE m.status = ANY (%(statuses)s::message_status[]) AND m.phone IS NOT NULL
    ORDER BY m.id
    ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING
    RETURNING 1
)
SELECT EXISTS (SELECT FROM source), (SELECT count(*) FROM copied)

-- name: count_audience
-- Counts the people of a campaign who fit an audience: all of them, those whose message is uncertain, and those who have
-- opted out. Reads all messages of the campaign once. Plan: for few people, the primary key of `suppressions` once per
-- person; for many, a hash of all suppressions.
WITH audience AS MATERIALIZED (
    SELECT jsonb_populate_record(NULL::audiences, %(audience)s::jsonb) AS wanted
)
SELECT count(*) AS count, count(*) FILTER (WHERE m.status = 'uncertain') AS uncertain_count,
    count(*) FILTER (WHERE EXISTS (
        SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)) AS suppressed_count
FROM audience a JOIN messages m ON m.campaign_id = (a.wanted).source_id
WHERE m.phone IS NOT NULL AND fits(m, a.wanted)

-- name: insert_audience
INSERT INTO audiences (
    campaign_id, source_id, conditions, made_at, statuses, has_replied, codes, sent, delivered, read, replied, failed)
SELECT %(campaign_id)s, w.source_id, w.conditions, w.made_at, w.statuses, w.has_replied, w.codes, w.sent, w.delivered,
    w.read, w.replied, w.failed
FROM jsonb_populate_record(NULL::audiences, %(audience)s::jsonb) AS w

-- name: copy_audience
-- Inserts pending messages to the people of a draft's audience, in the order of the other campaign, with its sets of time
-- zones. `places`: for each value of a message, its place among the values of the other campaign; NULL: the value is the
-- one in `texts`. `places` NULL: the values are the same. As in `copy_messages`, the other campaign is not locked, and
-- nothing is inserted if it has another template or other columns by now. Returns whether it has the same, and the
-- numbers of people and of uncertain ones. Reads all messages of the other campaign once, and twice if uncertain people
-- are taken.
WITH audience AS MATERIALIZED (
    SELECT u AS wanted
    FROM audiences u JOIN campaigns c ON c.id = u.source_id
    WHERE u.campaign_id = %(campaign_id)s AND c.template_id = %(template_id)s AND c.columns = %(columns)s::text[]
), zones AS (
    INSERT INTO campaign_zones (campaign_id, id, names)
    SELECT %(campaign_id)s, z.id, z.names
    FROM audience a JOIN campaign_zones z ON z.campaign_id = (a.wanted).source_id
), copied AS (
    INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables, consent)
    SELECT %(campaign_id)s, m.phone, m.recipient_key, m.zone_id,
        CASE WHEN %(places)s::int[] IS NULL THEN m.variables ELSE ARRAY(
            SELECT coalesce(v.text, m.variables[v.place])
            FROM unnest(%(places)s::int[], %(texts)s::text[]) WITH ORDINALITY AS v (place, text, number) ORDER BY v.number
        ) END, m.consent
    FROM audience a JOIN messages m ON m.campaign_id = (a.wanted).source_id
    WHERE m.phone IS NOT NULL AND fits(m, a.wanted)
    ORDER BY m.id
    RETURNING id
)
SELECT EXISTS (SELECT FROM audience), count(*), coalesce(max(id), 0), (
    SELECT count(*) FROM audience a JOIN messages m ON m.campaign_id = (a.wanted).source_id
    WHERE 'uncertain' = ANY ((a.wanted).statuses) AND m.status = 'uncertain' AND m.phone IS NOT NULL
        AND fits(m, a.wanted))
FROM copied

-- name: conclude_audience
UPDATE audiences
SET recipient_count = %(recipient_count)s, uncertain_count = %(uncertain_count)s, last_id = %(last_id)s
WHERE campaign_id = %(campaign_id)s

-- name: list_audiences
SELECT u.campaign_id, u.source_id, c.name AS source_name, u.conditions, u.made_at, u.recipient_count, u.uncertain_count
FROM audiences u JOIN campaigns c ON c.id = u.source_id
WHERE u.campaign_id = ANY (%(campaign_ids)s::bigint[])

-- name: find_overlaps
-- Other campaigns that share recipients or a file with this campaign. Only started or scheduled campaigns that have not
-- ended, campaigns that were created or ended in the last `days` days, and the campaigns with the ids `together`, are
-- compared. Standing campaigns, whose messages are about an event of one person, are not compared. Another sheet of the
-- same workbook is another file; an older version kept no name of a sheet. Suppressed and cancelled messages do not
-- count. `got_count`, `got_at` and `waiting_count` are only about people who will get this campaign: not about opted-out
-- people, nor about those of the messages `capped`.
--
-- Plan: one pass over the messages of the other campaigns, or, for a short list, the index on campaign and recipient. An
-- index on the recipient alone would make every import a quarter slower. MATERIALIZED lets Postgres look up the opt-outs
-- once per recipient of this campaign; else it does so up to four times per message that the recipients share.
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
                   AND coalesce(theirs.facts ->> 'sheet' = ours.facts ->> 'sheet', true)
           ) AS has_same_file,
           c.template_id = (SELECT template_id FROM campaigns WHERE id = %(campaign_id)s) AS has_same_template
    FROM campaigns c
    WHERE c.id <> %(campaign_id)s AND c.test_of IS NULL AND NOT c.is_standing
        AND (c.status IN ('pending', 'scheduled', 'running', 'paused')
             OR c.id = ANY (%(together)s::bigint[])
             OR coalesce(c.completed_at, c.cancelled_at, c.started_at, c.created_at) > now() - make_interval(days => %(days)s))
), ours AS MATERIALIZED (
    SELECT m.recipient_key,
           m.status = 'pending' AND m.id <> ALL (%(capped)s::bigint[]) AND NOT EXISTS (
               SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active
           ) AS will_leave
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
), shared AS (
    SELECT theirs.campaign_id, count(*) AS shared_count,
           count(*) FILTER (WHERE ours.will_leave AND theirs.status NOT IN ('pending', 'expired', 'failed')) AS got_count,
           max(theirs.sent_at) FILTER (WHERE ours.will_leave) AS got_at,
           min(theirs.claimed_at) FILTER (WHERE ours.will_leave) AS got_since,
           count(*) FILTER (WHERE ours.will_leave AND theirs.status = 'pending') AS waiting_count
    FROM ours
    JOIN messages theirs USING (recipient_key)
    WHERE theirs.campaign_id = ANY (ARRAY (SELECT id FROM others))
        AND theirs.status NOT IN ('suppressed', 'cancelled')
    GROUP BY theirs.campaign_id
)
SELECT o.id AS campaign_id, o.name, o.status, o.at, now() AS server_now, coalesce(s.shared_count, 0) AS shared_count,
       c.recipient_count AS people_count, o.has_same_file, o.has_same_template, coalesce(s.got_count, 0) AS got_count,
       s.got_at, s.got_since, coalesce(s.waiting_count, 0) AS waiting_count
FROM others o
LEFT JOIN shared s ON s.campaign_id = o.id
JOIN campaigns c ON c.id = %(campaign_id)s
WHERE s.shared_count > 0 OR o.has_same_file
ORDER BY shared_count DESC, o.id

-- name: list_import_errors
-- If `is_rejected`, the rows of people who have a message by another row are omitted.
SELECT file_name, row_number, column_name, reason, code FROM import_errors
WHERE campaign_id = %(campaign_id)s
    AND (NOT %(is_rejected)s OR code NOT IN ('duplicate_in_file', 'duplicate_in_campaign'))
ORDER BY id
LIMIT %(limit)s

-- name: list_duplicates
-- The first rows, behind the row with the id `after`, of people who have a message by another row.
SELECT file_name, row_number, column_name, reason, code FROM import_errors
WHERE campaign_id = %(campaign_id)s AND id > %(after)s::bigint
    AND code IN ('duplicate_in_file', 'duplicate_in_campaign')
ORDER BY id
LIMIT %(limit)s

-- name: page_import_errors
-- Rows that did not become messages, in the order of the files, behind the row with the id `after`. If `is_rejected`,
-- the rows of people who have a message by another row are omitted. Plan: one scan of `import_errors_by_campaign`.
SELECT id, file_name, row_number, column_name, reason, code FROM import_errors
WHERE campaign_id = %(campaign_id)s AND id > %(after)s::bigint
    AND (NOT %(is_rejected)s::boolean OR code NOT IN ('duplicate_in_file', 'duplicate_in_campaign'))
ORDER BY id
LIMIT %(limit)s

-- name: load_zones
SELECT id, names FROM campaign_zones WHERE campaign_id = %(campaign_id)s

-- name: count_pending_by_zone
-- The number of pending messages of a campaign for each set of zones. 0 stands for people whose zone is unknown. The
-- query reads the whole campaign. It runs when a person makes, changes, starts or resumes the campaign.
SELECT coalesce(m.zone_id, 0), count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
GROUP BY 1
ORDER BY 1

-- name: count_pending_in_zones
-- The number of pending messages of a campaign to people in these sets of zones. The query reads the whole campaign. It
-- runs only if the campaign has a set whose zones are never in the window at the same time.
SELECT count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending' AND m.zone_id = ANY (%(zone_ids)s::smallint[])
