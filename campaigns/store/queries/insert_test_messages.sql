-- Each phone gets what one of the first people gets, in their order; with fewer people than phones they start again.
WITH people AS (
    SELECT variables, row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS count
    FROM (
        SELECT id, variables FROM messages
        WHERE campaign_id = %(campaign_id)s AND phone IS NOT NULL ORDER BY id LIMIT cardinality(%(phones)s::text[])
    ) first
), inserted AS (
    INSERT INTO messages (campaign_id, phone, recipient_key, variables)
    SELECT %(test_id)s, t.phone, t.recipient_key, p.variables
    FROM unnest(%(phones)s::text[], %(recipient_keys)s::text[]) WITH ORDINALITY AS t (phone, recipient_key, n)
    JOIN people p ON p.n = 1 + mod(t.n - 1, p.count)
    ORDER BY t.n
    ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING
    RETURNING id
)
UPDATE campaigns SET recipient_count = (SELECT count(*) FROM inserted) WHERE id = %(test_id)s
