-- What is NULL stays as it is.
UPDATE accounts
SET name = coalesce(%(name)s, name),
    phone_number_id = coalesce(%(phone_number_id)s, phone_number_id),
    waba_id = coalesce(%(waba_id)s, waba_id),
    token = coalesce(%(token)s, token),
    messages_per_second = coalesce(%(messages_per_second)s, messages_per_second),
    failure_limit = coalesce(%(failure_limit)s, failure_limit)
WHERE id = %(account_id)s
