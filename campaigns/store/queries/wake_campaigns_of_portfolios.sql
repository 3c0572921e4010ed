-- Campaigns that wait for a slot of these portfolios are looked at now. Before the portfolio itself is touched: campaigns
-- are locked first.
WITH waiting AS (
    SELECT c.id FROM campaigns c
    WHERE c.status = 'running' AND c.waiting_reason = 'daily_limit'
        AND EXISTS (
            SELECT FROM campaign_accounts ca JOIN accounts a ON a.id = ca.account_id
            WHERE ca.campaign_id = c.id AND a.portfolio_id = ANY (%(portfolio_ids)s)
        )
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE campaigns c
SET due_at = NULL, enqueued_at = CASE WHEN %(rings)s THEN clock_timestamp() ELSE c.enqueued_at END
FROM waiting w WHERE c.id = w.id
RETURNING c.id
