-- A person's retry: failed messages with one of the `codes` are pending again, from `after` on, at most `limit` of them,
-- with a fresh budget of attempts. `send_no` goes on, so that what is still told of an older send is known by it. They
-- come back as released messages (`not_before`), apart from the cursor; a code that asks for time (`later_seconds`)
-- waits that long after its failure. The caller has locked the campaign, so it neither completes nor is cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row.
WITH wanted AS (
    SELECT code, make_interval(secs => seconds) AS pause
    FROM unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS t (code, seconds)
), picked AS MATERIALIZED (
    SELECT m.id
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.campaign_id, m.id) > (%(campaign_id)s, %(after)s)
        AND m.status = 'failed'
        AND m.error_code = ANY (%(codes)s::int[])
    ORDER BY m.campaign_id, m.id
    LIMIT %(limit)s
    FOR UPDATE OF m
), retried AS (
    UPDATE messages m
    SET status = 'pending',
        not_before = greatest(clock_timestamp(), m.failed_at + w.pause),
        attempts = 0, pair_refusals = 0, refused_by = NULL,
        -- What belongs to the failed send; its reason stays until the next one is known.
        wamid = NULL, sent_at = NULL, failed_at = NULL,
        pricing_category = NULL, pricing_model = NULL, is_billable = NULL
    FROM wanted w
    WHERE m.id = ANY (ARRAY(SELECT id FROM picked)) AND m.status = 'failed' AND m.error_code = w.code
    RETURNING m.id, m.error_code, m.error_title, m.not_before
)
SELECT error_code, min(error_title) AS title, count(*) AS count,
    count(*) FILTER (WHERE not_before > clock_timestamp()) AS waiting_count,
    max(not_before) FILTER (WHERE not_before > clock_timestamp()) AS waits_until,
    max(id) AS last_id
FROM retried
GROUP BY error_code
ORDER BY error_code
