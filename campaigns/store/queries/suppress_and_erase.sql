UPDATE messages m
SET status = 'suppressed', not_before = NULL, phone = NULL, recipient_key = NULL, variables = '{}',
    consent = NULL, error_details = NULL, wamid = NULL
WHERE m.id = ANY (%(message_ids)s::bigint[]) AND m.status = 'pending'
