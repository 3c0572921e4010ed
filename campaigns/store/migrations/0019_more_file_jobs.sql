-- Adds three kinds of work with files: a copy of a campaign, the import of a file of opt-outs, and the download of the
-- opt-outs. The last two belong to no campaign. An older process of the role `files` does not know these kinds, and ends
-- such a job as failed.
ALTER TABLE file_jobs ALTER COLUMN campaign_id DROP NOT NULL;
ALTER TABLE file_jobs DROP CONSTRAINT file_jobs_kind_check;
ALTER TABLE file_jobs ADD CONSTRAINT file_jobs_kind_check
    CHECK (kind IN ('look', 'add', 'replace', 'export', 'copy', 'suppress', 'export_optouts'));
ALTER TABLE file_jobs DROP CONSTRAINT only_exports_lack_an_upload;
ALTER TABLE file_jobs ADD CONSTRAINT readers_of_files_have_an_upload
    CHECK ((kind IN ('look', 'add', 'replace', 'suppress')) = (upload_id IS NOT NULL));
ALTER TABLE file_jobs ADD CONSTRAINT optouts_belong_to_no_campaign
    CHECK ((kind IN ('suppress', 'export_optouts')) = (campaign_id IS NULL));
