-- The streaks of the categories of accounts. The caller has locked the accounts. A success locks only the row of the
-- streak that it ends.
SELECT account_id, category, failures, reported, inactive_since IS NOT NULL
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category FOR UPDATE
