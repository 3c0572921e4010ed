COPY staged_recipients (row_number, phone, variables, column_name, reason) FROM STDIN
