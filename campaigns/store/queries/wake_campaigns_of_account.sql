-- Campaigns that wait for an account like this one are looked at now, and so are those in their slice, which may be about
-- to wait for it: who is rung meanwhile does not (end_slice). Before the account itself is touched: campaigns are locked
-- first.
WITH waiting AS (
    SELECT c.id FROM campaigns c
    WHERE c.status = 'running'
        AND (c.waiting_reason = ANY (%(reasons)s)
            OR EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp()))
        AND EXISTS (SELECT FROM campaign_accounts a WHERE a.campaign_id = c.id AND a.account_id = %(account_id)s)
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE campaigns c SET due_at = NULL, enqueued_at = clock_timestamp()
FROM waiting w WHERE c.id = w.id
RETURNING c.id
