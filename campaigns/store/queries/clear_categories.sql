-- Lets an activated account send all categories again, with new streaks. The caller has locked the account.
DELETE FROM account_categories WHERE account_id = %(account_id)s
