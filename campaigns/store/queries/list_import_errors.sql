SELECT file_name, row_number, column_name, reason FROM import_errors
WHERE campaign_id = %(campaign_id)s
ORDER BY id
LIMIT %(limit)s
OFFSET %(skip)s
