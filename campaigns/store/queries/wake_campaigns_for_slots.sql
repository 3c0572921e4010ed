-- Campaigns that wait for a slot of these accounts are looked at now, after the slot was committed. Every running one is
-- locked first, whatever it waits for: one whose slice is just ending writes its wait now, or sees the slot
-- (has_free_slot).
WITH locked AS (
    SELECT c.id, c.waiting_reason FROM campaigns c
    WHERE c.status = 'running'
        AND EXISTS (
            SELECT FROM campaign_accounts ca
            WHERE ca.campaign_id = c.id AND ca.account_id = ANY (%(account_ids)s::bigint[])
        )
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE campaigns c
SET due_at = NULL, enqueued_at = CASE WHEN %(rings)s THEN clock_timestamp() ELSE c.enqueued_at END
FROM locked l WHERE c.id = l.id AND l.waiting_reason = 'daily_limit'
RETURNING c.id
