-- An event about a number or its WABA, kept with every account that it concerns.
INSERT INTO account_events (account_id, kind, details)
SELECT a.id, 'reported', %(details)s
FROM accounts a
WHERE a.phone_number_id = %(phone_number_id)s OR (%(phone_number_id)s = '' AND a.waba_id = %(waba_id)s)
RETURNING account_id
