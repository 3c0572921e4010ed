-- By name, else by id: a name of digits is a name first.
SELECT w.word, coalesce(n.id, i.id) AS id
FROM unnest(%(words)s::text[]) WITH ORDINALITY AS w (word, position)
LEFT JOIN accounts n ON n.name = w.word
LEFT JOIN accounts i ON n.id IS NULL AND i.id::text = w.word
ORDER BY w.position
