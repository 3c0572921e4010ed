-- Meta accepted a message with it: whatever was wrong with the template is over, in the WABAs of these accounts.
UPDATE templates t SET status = 'approved', blocked_until = NULL
FROM templates used
WHERE used.id = %(template_id)s AND used.name = t.name AND used.language = t.language
    AND t.waba_id IN (SELECT '' UNION SELECT a.waba_id FROM accounts a WHERE a.id = ANY (%(account_ids)s))
    AND (t.status <> 'approved' OR t.blocked_until IS NOT NULL)
