-- Meta's words about a failure may quote a number; 0 can stand for it anywhere in JSON.
WITH erased AS (
    UPDATE account_categories
    SET failures = replace(failures::text, %(number)s, '0')::jsonb,
        reported = replace(reported::text, %(number)s, '0')::jsonb,
        inactive_reason = replace(inactive_reason, %(number)s, '0')
    WHERE position(%(number)s IN concat(failures, reported, inactive_reason)) > 0
)
UPDATE accounts
SET failures = replace(failures::text, %(number)s, '0')::jsonb, reported = replace(reported::text, %(number)s, '0')::jsonb
WHERE position(%(number)s IN failures::text || reported::text) > 0
