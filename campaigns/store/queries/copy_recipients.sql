COPY staged_recipients (row_number, phone, zones, variables, column_name, reason) FROM STDIN
