-- Writes the streak of a category after failures, by replies or by webhooks, and deactivates the category if the streak
-- has reached the limit. The caller has locked the account and the row, if there is one.
INSERT INTO account_categories AS k (
    account_id, category, activated_at, failures, reported, inactive_since, inactive_reason, inactive_code)
SELECT %(account_id)s, %(category)s, %(activated_at)s,
    CASE WHEN %(is_reported)s THEN '[]' ELSE %(failures)s END,
    CASE WHEN %(is_reported)s THEN %(failures)s ELSE '[]' END,
    CASE WHEN %(inactive_reason)s::text IS NOT NULL THEN clock_timestamp() END,
    %(inactive_reason)s::text, %(inactive_code)s::integer
ON CONFLICT (account_id, category) DO UPDATE SET
    failures = CASE WHEN %(is_reported)s THEN k.failures ELSE excluded.failures END,
    reported = CASE WHEN %(is_reported)s THEN excluded.reported ELSE k.reported END,
    inactive_since = excluded.inactive_since,
    inactive_reason = excluded.inactive_reason,
    inactive_code = excluded.inactive_code
WHERE k.activated_at = excluded.activated_at AND k.inactive_since IS NULL
