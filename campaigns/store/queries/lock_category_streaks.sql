-- The streaks of the categories of accounts. The caller has locked the accounts; a success only locks the row that it ends.
SELECT account_id, category, failures, reported, inactive_since IS NOT NULL
FROM account_categories WHERE account_id = ANY (%(account_ids)s)
ORDER BY account_id, category FOR UPDATE
