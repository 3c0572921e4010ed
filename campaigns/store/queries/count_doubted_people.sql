-- Everybody who may have got a message counts in the portfolios of its campaign's accounts for 24 hours from now: who is
-- counted already for longer, and as many others as there are free slots, since more were never sent to. The caller has
-- locked the portfolios and forgotten who has left.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until)
SELECT f.id, d.recipient_key, clock_timestamp() + interval '24 hours'
FROM portfolios f
CROSS JOIN LATERAL (
    SELECT m.recipient_key
    FROM campaign_accounts a
    JOIN messages m ON m.campaign_id = a.campaign_id
    LEFT JOIN portfolio_people k ON k.portfolio_id = f.id AND k.recipient_key = m.recipient_key
    WHERE a.campaign_id = ANY (%(campaign_ids)s)
        AND a.account_id IN (SELECT id FROM accounts WHERE portfolio_id = f.id)
        AND m.status = 'uncertain' AND m.error_title = %(reason)s AND m.recipient_key IS NOT NULL
    GROUP BY m.recipient_key, k.recipient_key
    ORDER BY k.recipient_key IS NULL, m.recipient_key
    LIMIT f.daily_limit
) d
ORDER BY f.id, d.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE SET until = excluded.until, message_id = NULL
