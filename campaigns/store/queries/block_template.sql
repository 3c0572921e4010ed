-- Meta refused the template itself: its campaigns wait, then one message tries it again. What a webhook said of it
-- stays (`status_at` is Meta's time, not ours). The template is that of the account's WABA, where it is known.
UPDATE templates
SET status = %(status)s, blocked_until = clock_timestamp() + make_interval(secs => %(retry_seconds)s)
WHERE id = (
        SELECT t.id FROM templates t JOIN templates used ON used.name = t.name AND used.language = t.language
        WHERE used.id = %(template_id)s
            AND (t.id = used.id OR t.waba_id = (SELECT a.waba_id FROM accounts a WHERE a.id = %(account_id)s))
        ORDER BY t.waba_id = (SELECT a.waba_id FROM accounts a WHERE a.id = %(account_id)s) DESC LIMIT 1)
    AND (blocked_until IS NULL OR blocked_until <= clock_timestamp())
RETURNING blocked_until
