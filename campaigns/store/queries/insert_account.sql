INSERT INTO accounts (name, phone_number_id, waba_id, token, messages_per_second, failure_limit)
VALUES (%(name)s, %(phone_number_id)s, %(waba_id)s, %(token)s, %(messages_per_second)s, %(failure_limit)s)
RETURNING id
