CREATE TEMPORARY TABLE staged_recipients (
    row_number bigint NOT NULL, phone text, recipient_key text, zones text, variables text, consent text,
    column_name text, reason text
) ON COMMIT DROP
