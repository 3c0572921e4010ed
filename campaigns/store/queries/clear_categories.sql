-- The account was activated, and is locked: all of its categories are sent again, with clean streaks.
DELETE FROM account_categories WHERE account_id = %(account_id)s
