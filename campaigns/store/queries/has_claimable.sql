-- Whether a message waits for nothing but a slot of its portfolio: one after the cursor, or a released one that is due.
--
-- Plan: messages_in_order from the cursor on, as a claim reads it (claim_messages.sql), and messages_released. The order
-- and the limit keep the planner from reading the table until it meets one.
SELECT coalesce(
    (
        SELECT true FROM messages m
        WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
            AND m.id > %(cursor)s
            AND m.status = 'pending'
            AND m.not_before IS NULL
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        ORDER BY m.campaign_id, m.id
        LIMIT 1
    ),
    (
        SELECT true FROM messages m
        WHERE m.campaign_id = %(campaign_id)s
            AND m.not_before <= clock_timestamp()
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        ORDER BY m.campaign_id, m.not_before
        LIMIT 1
    ),
    false
)
