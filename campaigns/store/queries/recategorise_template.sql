-- Writes the category that a refusal by Meta named for a campaign's template in the account's WABA. A newer category
-- stays.
UPDATE templates t
SET category = %(category)s, category_at = least(%(at)s, clock_timestamp())
WHERE t.category_at <= %(at)s AND t.category <> %(category)s
    AND t.id = (
        SELECT own.id FROM campaigns c
        JOIN templates used ON used.id = c.template_id
        JOIN templates own ON own.name = used.name AND own.language = used.language
        JOIN accounts a ON a.id = %(account_id)s
        WHERE c.id = %(campaign_id)s AND (own.id = used.id OR own.waba_id = a.waba_id)
        ORDER BY own.waba_id = a.waba_id DESC LIMIT 1)
RETURNING t.name, t.language, old.category
