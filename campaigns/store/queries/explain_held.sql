-- Messages that were skipped because an answer waited for review. They stay skipped: the answer was an opt-out, or
-- `suppress remove` dismissed it.
UPDATE messages m SET error_code = NULL, error_title = NULL
FROM campaigns c
WHERE m.campaign_id = c.id AND m.recipient_key = ANY (%(recipient_keys)s::text[])
    AND m.status = 'suppressed' AND m.error_code = -2
