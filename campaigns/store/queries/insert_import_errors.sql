INSERT INTO import_errors (campaign_id, file_name, row_number, column_name, reason)
SELECT %(campaign_id)s, %(file_name)s, s.row_number, s.column_name, s.reason
FROM staged_recipients s
WHERE s.reason IS NOT NULL
ORDER BY s.row_number
