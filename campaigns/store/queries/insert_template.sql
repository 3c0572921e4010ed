INSERT INTO templates (name, language, components) VALUES (%(name)s, %(language)s, %(components)s)
RETURNING id
