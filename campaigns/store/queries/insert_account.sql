INSERT INTO accounts (name, phone_number_id, waba_id, token, messages_per_second, failure_limit, portfolio_id)
VALUES (%(name)s, %(phone_number_id)s, %(waba_id)s, %(token)s, %(messages_per_second)s, %(failure_limit)s,
    %(portfolio_id)s)
RETURNING id
