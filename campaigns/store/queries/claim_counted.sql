-- As claim_messages, for accounts of a portfolio without a free slot: only messages to people who are counted in it
-- already, which cost no slot. Found from the people, in their order after `after`: they are no more than the limit,
-- however long the list is. The caller holds the portfolio.
--
-- Plan: the primary key of portfolio_people from `after` on, and one_message_per_person once per person.
-- include claim_lease
), chosen AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, m.recipient_key, t.account_id
    FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM portfolio_people p
        JOIN messages m ON m.campaign_id = %(campaign_id)s AND m.recipient_key = p.recipient_key
        WHERE p.portfolio_id = %(portfolio_id)s AND p.recipient_key > %(after)s AND p.until > clock_timestamp()
            AND m.status = 'pending'
            AND (m.not_before IS NULL OR m.not_before <= clock_timestamp())
            AND (m.refused_by IS NULL OR t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY p.recipient_key
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    ORDER BY m.id, t.count DESC
-- include claim_chosen
