INSERT INTO forgotten (person, key_id, source)
SELECT %(person)s, %(key_id)s, coalesce((
    SELECT s.source FROM suppressions s
    WHERE s.recipient_key = %(recipient_key)s AND s.is_active AND s.detail IS DISTINCT FROM 'forget' ORDER BY s.at DESC, s.source LIMIT 1
), 'manual')
ON CONFLICT (person) DO NOTHING
