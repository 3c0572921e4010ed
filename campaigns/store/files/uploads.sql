-- name: insert_upload
INSERT INTO uploads (name, created_by) VALUES (%(name)s, %(created_by)s) RETURNING id

-- name: lock_upload
SELECT id, name, created_by, created_at, size, sha256 FROM uploads WHERE id = %(upload_id)s FOR UPDATE

-- name: find_upload
SELECT id, name, created_by, created_at, size, sha256 FROM uploads WHERE id = %(upload_id)s

-- name: add_upload_piece
-- Adds the next piece of a file. Writes nothing if the piece is not the next one, or if the file is whole. The caller
-- has locked the upload.
INSERT INTO upload_pieces (upload_id, number, data)
SELECT u.id, %(number)s, %(data)s
FROM uploads u
WHERE u.id = %(upload_id)s AND u.sha256 IS NULL
    AND %(number)s = 1 + coalesce((SELECT max(p.number) FROM upload_pieces p WHERE p.upload_id = u.id), 0)

-- name: has_upload_piece
SELECT EXISTS (SELECT FROM upload_pieces WHERE upload_id = %(upload_id)s AND number = %(number)s)

-- name: grow_upload
UPDATE uploads SET size = size + %(size)s WHERE id = %(upload_id)s AND sha256 IS NULL

-- name: end_upload
UPDATE uploads SET sha256 = %(sha256)s WHERE id = %(upload_id)s AND sha256 IS NULL

-- name: read_upload_piece
SELECT data FROM upload_pieces WHERE upload_id = %(upload_id)s AND number = %(number)s

-- name: delete_upload
DELETE FROM uploads WHERE id = %(upload_id)s

-- name: lock_idle_uploads
-- Locks the uploads that no transaction uses, so that no job is added to them. A later statement sees the jobs that were
-- added before.
SELECT id FROM uploads ORDER BY id FOR UPDATE SKIP LOCKED

-- name: erase_files
-- Deletes jobs without an upload that are older than 3 days, and uploads that are older than 7 days, whose campaigns are
-- no drafts any more, or whose opt-outs were read more than 3 days ago. A process that works with a file has locked the
-- row of its job, and work may be due: such files are deleted later. The caller has locked the uploads `upload_ids`.
WITH idle AS (
    SELECT j.id, j.upload_id,
        j.created_at < now() - interval '3 days' AS is_old_export,
        j.created_at < now() - interval '7 days'
            OR (j.status <> 'due' AND CASE
                WHEN j.kind = 'suppress' THEN j.created_at < now() - interval '3 days'
                ELSE c.status <> 'draft'
            END) AS is_unneeded
    FROM file_jobs j
    LEFT JOIN campaigns c ON c.id = j.campaign_id
    FOR UPDATE OF j SKIP LOCKED
), exports AS (
    DELETE FROM file_jobs j USING idle i
    WHERE j.id = i.id AND i.upload_id IS NULL AND i.is_old_export
    RETURNING j.id
), old AS (
    DELETE FROM uploads u
    WHERE NOT EXISTS (
            SELECT FROM file_jobs j
            WHERE j.upload_id = u.id AND j.id NOT IN (SELECT i.id FROM idle i WHERE i.is_unneeded))
        AND u.id = ANY (%(upload_ids)s::bigint[])
        AND (u.created_at < now() - interval '7 days' OR EXISTS (SELECT FROM file_jobs j WHERE j.upload_id = u.id))
    RETURNING u.id
)
SELECT (SELECT count(*) FROM exports), (SELECT count(*) FROM old)

-- name: forget_files
-- Deletes all uploads and exports, because a file may have the data of a person who is to be forgotten. The caller has
-- called `stop_file_work`, so no process works with them.
WITH exports AS (
    DELETE FROM file_jobs WHERE kind IN ('export', 'export_optouts') RETURNING id
), uploaded AS (
    DELETE FROM uploads RETURNING id
)
SELECT (SELECT count(*) FROM exports), (SELECT count(*) FROM uploaded)
