-- The files that people upload. They are in Postgres, in pieces, so that every machine can read them:
-- docs/decisions/0073.
CREATE TABLE uploads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 255),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),  -- bytes, of the pieces stored so far
    sha256 bytea CHECK (length(sha256) = 32)  -- NULL: pieces are missing
);
CREATE INDEX uploads_by_time ON uploads (created_at);

CREATE TABLE upload_pieces (
    upload_id bigint NOT NULL REFERENCES uploads ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    data bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (upload_id, number)
);
-- Postgres does not compress the pieces: that would take time, and workbooks are compressed already.
ALTER TABLE upload_pieces ALTER COLUMN data SET STORAGE EXTERNAL;

-- Work with whole files, which takes seconds or minutes. A process of the role `files` locks the row while it works,
-- and writes the result in the same transaction. If the process dies, Postgres ends the transaction, and another
-- process finds the row due again.
CREATE TABLE file_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('look', 'add', 'replace', 'export')),
    campaign_id bigint NOT NULL REFERENCES campaigns ON DELETE CASCADE,
    upload_id bigint REFERENCES uploads ON DELETE CASCADE,
    request jsonb NOT NULL,
    actor jsonb NOT NULL,
    status text NOT NULL DEFAULT 'due' CHECK (status IN ('due', 'done', 'refused', 'failed')),
    result jsonb,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    CONSTRAINT ended_jobs_have_results CHECK ((status = 'due') = (ended_at IS NULL AND result IS NULL)),
    CONSTRAINT only_exports_lack_an_upload CHECK ((kind = 'export') = (upload_id IS NULL))
);
CREATE INDEX file_jobs_due ON file_jobs (id) WHERE status = 'due';
CREATE INDEX file_jobs_by_campaign ON file_jobs (campaign_id, id);
CREATE INDEX file_jobs_by_upload ON file_jobs (upload_id);

-- The columns of a job that other transactions write while the row of the job is locked. `tries`: how often a process
-- has begun the job. `part`: how much of the file is read, from 0 to 1.
CREATE TABLE file_job_progress (
    job_id bigint PRIMARY KEY REFERENCES file_jobs ON DELETE CASCADE,
    tries integer NOT NULL DEFAULT 0,
    part real NOT NULL DEFAULT 0 CHECK (part BETWEEN 0 AND 1)
);

-- The file that an export has written.
CREATE TABLE file_job_pieces (
    job_id bigint NOT NULL REFERENCES file_jobs ON DELETE CASCADE,
    number integer NOT NULL CHECK (number > 0),
    data bytea NOT NULL CHECK (length(data) BETWEEN 1 AND 1048576),
    PRIMARY KEY (job_id, number)
);
