-- name: insert_file_job
WITH job AS (
    INSERT INTO file_jobs (kind, campaign_id, upload_id, request, actor)
    VALUES (%(kind)s, %(campaign_id)s, %(upload_id)s, %(request)s, %(actor)s)
    RETURNING id
), progress AS (
    INSERT INTO file_job_progress (job_id) SELECT id FROM job
)
SELECT id FROM job

-- name: lock_due_job
-- Locks a due job that no process works on, until the transaction ends. Jobs of one campaign are done in their order. A
-- job that was begun before comes last, because it may fail again. The lock is weaker than that of a deletion, so the
-- progress of the job can be written meanwhile. Each transaction with a job shares the lock of `stop_file_work`. While
-- another transaction has that lock or waits for it, no job begins.
WITH started AS MATERIALIZED (SELECT pg_try_advisory_xact_lock_shared(7301986126) AS may_work)
SELECT j.id, j.kind, j.campaign_id, j.upload_id, j.request, j.actor
FROM file_jobs j JOIN file_job_progress p ON p.job_id = j.id
WHERE (SELECT may_work FROM started) AND j.status = 'due'
    AND NOT EXISTS (
        SELECT FROM file_jobs o WHERE o.campaign_id = j.campaign_id AND o.status = 'due' AND o.id < j.id)
ORDER BY p.tries, j.id LIMIT 1
FOR NO KEY UPDATE OF j SKIP LOCKED

-- name: stop_file_work
-- Waits until no process works with a file, and lets no process begin until the transaction ends.
SELECT pg_advisory_xact_lock(7301986126)

-- name: lock_jobs
-- Locks the jobs of a campaign, and waits for a process that works on one of them.
SELECT FROM file_jobs WHERE campaign_id = %(campaign_id)s ORDER BY id FOR UPDATE

-- name: find_same_due_job
-- The newest job of a campaign, if it is the same as the given job and nobody has finished it. Plan: the last entry of
-- file_jobs_by_campaign.
SELECT id
FROM (SELECT * FROM file_jobs WHERE campaign_id = %(campaign_id)s ORDER BY id DESC LIMIT 1) j
WHERE status = 'due' AND kind = %(kind)s AND upload_id = %(upload_id)s AND request = %(request)s

-- name: count_due_jobs
SELECT count(*) FROM file_jobs WHERE status = 'due'

-- name: has_due_list
-- Whether people will still be added to a campaign, or replace its people.
SELECT EXISTS (
    SELECT FROM file_jobs WHERE campaign_id = %(campaign_id)s AND status = 'due' AND kind IN ('add', 'replace', 'fill'))

-- name: find_newer_list
-- The list whose people were to take the place of the people of a draft, and have not: the last work with a list only
-- looked at the list or at another sheet of it, or was refused. A file that a command has imported since is newer. An import that a
-- job has done since is not, because that job may have been requested before. People of an earlier campaign that were
-- taken since are newer too, unless they were taken by a job that was requested before the list.
SELECT u.name, j.request ->> 'sheet', l.request ->> 'sheet',
    ARRAY(SELECT i.file_name FROM imports i WHERE i.campaign_id = c.id ORDER BY i.id)
FROM campaigns c
JOIN LATERAL (
    SELECT * FROM file_jobs WHERE campaign_id = c.id AND upload_id IS NOT NULL ORDER BY id DESC LIMIT 1
) j ON true
JOIN uploads u ON u.id = j.upload_id
LEFT JOIN LATERAL (
    SELECT * FROM file_jobs
    WHERE campaign_id = c.id AND kind IN ('add', 'replace') AND status = 'done' ORDER BY id DESC LIMIT 1
) l ON true
WHERE c.id = %(campaign_id)s AND c.status = 'draft' AND c.recipient_count > 0
    AND (j.kind = 'look' OR j.status IN ('refused', 'failed'))
    AND NOT (j.kind = 'look' AND l.upload_id IS NOT DISTINCT FROM j.upload_id
        AND (l.request ->> 'sheet') IS NOT DISTINCT FROM (j.request ->> 'sheet'))
    AND NOT EXISTS (
        SELECT FROM imports i
        WHERE i.campaign_id = c.id AND i.imported_at > j.created_at AND NOT EXISTS (
            SELECT FROM file_jobs d
            WHERE d.campaign_id = c.id AND d.kind IN ('add', 'replace') AND d.status = 'done' AND d.ended_at > i.imported_at))
    AND NOT EXISTS (
        SELECT FROM audiences a
        WHERE a.campaign_id = c.id AND a.made_at > j.created_at AND NOT EXISTS (
            SELECT FROM file_jobs d
            WHERE d.campaign_id = c.id AND d.kind = 'fill' AND d.status = 'done' AND d.id < j.id
                AND d.ended_at > a.made_at))

-- name: delete_newer_lists
-- Deletes the work with lists that came after the last import of a draft, and the uploads that no other work uses. The
-- caller has locked the jobs.
WITH newer AS (
    SELECT id, upload_id FROM file_jobs
    WHERE campaign_id = %(campaign_id)s AND upload_id IS NOT NULL AND id > coalesce((
        SELECT max(d.id) FROM file_jobs d
        WHERE d.campaign_id = %(campaign_id)s AND d.kind IN ('add', 'replace') AND d.status = 'done'), 0)
), jobs AS (
    DELETE FROM file_jobs j USING newer n WHERE j.id = n.id
)
DELETE FROM uploads u
WHERE u.id IN (SELECT upload_id FROM newer)
    AND NOT EXISTS (SELECT FROM file_jobs j WHERE j.upload_id = u.id AND j.id NOT IN (SELECT id FROM newer))
RETURNING u.id, u.name

-- name: begin_job
-- Counts a try of a job, in a transaction of its own, so that the count stays if the process dies.
UPDATE file_job_progress SET tries = tries + 1, part = 0 WHERE job_id = %(job_id)s RETURNING tries

-- name: give_back_job
-- Takes back a try that did not fail because of the job.
UPDATE file_job_progress SET tries = tries - 1, part = 0 WHERE job_id = %(job_id)s AND tries > 0

-- name: write_job_part
UPDATE file_job_progress SET part = %(part)s WHERE job_id = %(job_id)s

-- name: end_job
UPDATE file_jobs SET status = %(status)s, result = %(result)s, ended_at = clock_timestamp()
WHERE id = %(job_id)s AND status = 'due'

-- name: add_to_result
UPDATE file_jobs SET result = result || %(result)s WHERE id = %(job_id)s AND status = 'done'

-- name: find_file_job
SELECT j.id, j.kind, j.campaign_id, j.upload_id, j.status, j.result, j.request, j.actor, j.created_at,
    j.ended_at, p.tries, p.part,
    extract(epoch FROM clock_timestamp() - j.created_at)::double precision AS age_seconds
FROM file_jobs j JOIN file_job_progress p ON p.job_id = j.id
WHERE j.id = %(job_id)s

-- name: list_file_jobs
-- The jobs of a campaign, the newest first.
SELECT j.id, j.kind, j.campaign_id, j.upload_id, j.status, j.result, j.request, j.actor, j.created_at,
    j.ended_at, p.tries, p.part,
    extract(epoch FROM clock_timestamp() - j.created_at)::double precision AS age_seconds
FROM file_jobs j JOIN file_job_progress p ON p.job_id = j.id
WHERE j.campaign_id = %(campaign_id)s
ORDER BY j.id DESC LIMIT %(limit)s

-- name: list_downloads
-- The downloads that a user has asked for, the newest first. Rows of downloads are deleted after 3 days, and those of
-- uploads after 7 days, so the table is small. `length` of a stored value does not read the value.
SELECT j.id, j.kind, j.campaign_id, c.name AS campaign_name, j.status, j.request, j.result, j.created_at, p.tries, p.part,
    extract(epoch FROM clock_timestamp() - j.created_at)::double precision AS age_seconds,
    (SELECT coalesce(sum(length(f.data)), 0)::bigint FROM file_job_pieces f WHERE f.job_id = j.id) AS size
FROM file_jobs j
JOIN file_job_progress p ON p.job_id = j.id
LEFT JOIN campaigns c ON c.id = j.campaign_id
WHERE j.kind IN ('export', 'export_optouts') AND j.actor ->> 'kind' = 'user' AND j.actor ->> 'name' = %(user_name)s
ORDER BY j.id DESC LIMIT %(limit)s

-- name: add_job_piece
INSERT INTO file_job_pieces (job_id, number, data) VALUES (%(job_id)s, %(number)s, %(data)s)

-- name: read_job_piece
-- NULL behind the last piece, and no row if the job was deleted. Pieces are only deleted together with their job.
SELECT p.data
FROM file_jobs j LEFT JOIN file_job_pieces p ON p.job_id = j.id AND p.number = %(number)s
WHERE j.id = %(job_id)s
