-- One page of an export: messages after an id, in their order, with the account that sent them. `statuses` NULL: all.
--
-- Plan: messages_in_order from `after` on (the array and the order are on purpose: see claim_messages).
SELECT m.id, coalesce(m.phone, '') AS phone, m.variables, m.status::text AS status, m.sent_at, m.delivered_at, m.read_at, m.failed_at,
    m.error_code, m.error_title, m.error_details, m.attempts, a.name AS account, m.wamid, m.pricing_category,
    m.pricing_model, m.is_billable, m.consent
FROM messages m
LEFT JOIN accounts a ON a.id = m.account_id
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
    AND m.id > %(after)s
    AND (%(statuses)s::message_status[] IS NULL OR m.status = ANY (%(statuses)s::message_status[]))
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s
