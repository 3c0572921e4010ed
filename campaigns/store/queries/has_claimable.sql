-- Whether a message waits for nothing but a slot of its portfolio: one after the cursor, or a released one that is due.
SELECT EXISTS (
    SELECT FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.campaign_id, m.id) > (%(campaign_id)s, %(cursor)s)
        AND m.status = 'pending'
        AND m.not_before IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
) OR EXISTS (
    SELECT FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.not_before <= clock_timestamp()
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
)
