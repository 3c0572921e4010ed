-- Whose templates were ever read, and when that was last.
SELECT waba_id, max(synced_at) AS synced_at FROM templates WHERE synced_at IS NOT NULL GROUP BY 1
