-- The beginning of every claim: the lease that it needs, and the campaigns whose messages count for a cap per person.
-- `other_ids` are the accounts in whose WABA the template is of another category than marketing.
WITH lease AS MATERIALIZED (
    SELECT l.campaign_id, c.max_per_person, c.within_days, ARRAY(
            SELECT g.account_id FROM campaign_categories g
            WHERE g.campaign_id = %(campaign_id)s AND g.account_id = ANY (%(accounts)s::bigint[])
                AND upper(g.category) IN ('UTILITY', 'AUTHENTICATION')
        ) AS other_ids
    FROM leases l
    JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
        AND (c.expire_at IS NULL OR c.expire_at > clock_timestamp())
    FOR UPDATE OF l
), recent AS MATERIALIZED (
    -- Campaigns that may have written to somebody in the days that count.
    SELECT array_agg(c.id) AS ids
    FROM campaigns c
    WHERE (SELECT max_per_person FROM lease) IS NOT NULL
        AND c.id <> %(campaign_id)s AND c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity')
            > clock_timestamp() - make_interval(days => (SELECT within_days FROM lease))
