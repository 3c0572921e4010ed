CREATE TEMPORARY TABLE staged_recipients (
    row_number bigint NOT NULL, phone text, zones text, variables text, column_name text, reason text
) ON COMMIT DROP
