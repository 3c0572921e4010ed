-- Takes messages to send, for the holder of the lease only: first those that an account has refused and another may
-- take, then those released and due again, then the next ones after the cursor. `accounts` and `counts` are the tokens
-- that were granted: no account gets more. A message does not go to an account that has refused it while there is an
-- `active` one that has not. Suppressed people are skipped here, at the last moment. `open_zones`: whose window is open
-- (0: the campaign's own zone), NULL where the window is not that of each person. Nothing is claimed of a campaign that
-- has expired.
--
-- Who had as many messages of other campaigns as this one allows is skipped too: what may have been sent counts. The
-- caller lets no two capped claims run at once.
--
-- Plan: one index scan each on messages_released (twice) and messages_in_order, starting at the cursor (never at the
-- dead entries before it), then the primary key once per row. The campaign stands in an array of one: with an equality
-- the primary key is in that order too, and where the campaign ends it runs on over all campaigns after it; and with the
-- row (campaign, cursor) beside an equality the scan starts at the campaign's first message. What a person had is looked
-- up by one_message_per_person, in each campaign of those days. The arrays before the UPDATE are on purpose: a generic
-- plan does not know LIMIT, takes it for a tenth of the table, and would join the picked rows to a scan of all messages.
-- include claim_lease
), tokens AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
), refused AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, m.recipient_key, t.account_id
    FROM tokens t
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM messages m
        WHERE m.campaign_id = %(campaign_id)s
            AND m.not_before <= clock_timestamp()
            AND m.refused_by IS NOT NULL
            AND (t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY m.campaign_id, m.not_before
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    ORDER BY m.id, t.count DESC
), free AS MATERIALIZED (
    SELECT t.account_id, row_number() OVER (ORDER BY n) AS n
    FROM tokens t
    CROSS JOIN LATERAL generate_series(
        1, t.count - (SELECT count(*) FROM refused r WHERE r.account_id = t.account_id)) AS n
), due AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.not_before <= clock_timestamp()
        AND m.refused_by IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.not_before
    LIMIT (SELECT count(*) FROM free)
    FOR UPDATE OF m SKIP LOCKED
), fresh AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
        AND m.id > %(cursor)s
        AND m.status = 'pending'
        AND m.not_before IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.id
    LIMIT (SELECT count(*) FROM free) - (SELECT count(*) FROM due)
    FOR UPDATE OF m SKIP LOCKED
), picked AS (
    SELECT p.*, row_number() OVER () AS n
    FROM (SELECT * FROM due UNION ALL SELECT * FROM fresh) p
), chosen AS MATERIALIZED (
    SELECT id, recipient_key, account_id FROM refused
    UNION ALL
    SELECT p.id, p.recipient_key, f.account_id FROM picked p JOIN free f ON f.n = p.n
-- include claim_chosen
