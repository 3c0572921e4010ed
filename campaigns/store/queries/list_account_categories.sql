-- The categories of accounts that had failures since the accounts were activated.
SELECT account_id, category, inactive_since, inactive_reason, inactive_code, failures, reported
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category
