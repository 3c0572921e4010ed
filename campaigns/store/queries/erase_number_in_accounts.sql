-- Meta's words about a failure may quote a number; 0 can stand for it anywhere in JSON.
UPDATE accounts
SET failures = replace(failures::text, %(number)s, '0')::jsonb, reported = replace(reported::text, %(number)s, '0')::jsonb
WHERE position(%(number)s IN failures::text || reported::text) > 0
