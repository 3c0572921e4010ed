-- The categories in which accounts had failures of that category since they were activated.
SELECT account_id, category, inactive_since, inactive_reason, inactive_code, failures, reported
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category
