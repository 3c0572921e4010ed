SELECT row_number, column_name, reason FROM import_errors
WHERE campaign_id = %(campaign_id)s
ORDER BY row_number, id
LIMIT %(limit)s
