COPY staged_recipients (row_number, phone, recipient_key, zones, variables, consent, column_name, reason) FROM STDIN
