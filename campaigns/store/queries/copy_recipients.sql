COPY staged_recipients (row_number, phone, recipient_key, variables, consent, column_name, reason) FROM STDIN
