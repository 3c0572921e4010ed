-- Whom an account that joins a portfolio has messaged in the last 24 hours, so that they count from the start. Read from
-- the campaigns that may have sent since. What is pending was refused; what failed may have been accepted.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until)
SELECT %(portfolio_id)s, m.recipient_key, max(m.claimed_at) + interval '24 hours'
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id
WHERE c.started_at IS NOT NULL
    AND (c.completed_at IS NULL OR c.completed_at > clock_timestamp() - interval '24 hours')
    AND m.account_id = %(account_id)s AND m.status >= 'sending'
    AND m.claimed_at > clock_timestamp() - interval '24 hours'
GROUP BY m.recipient_key
ORDER BY m.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE SET until = greatest(p.until, excluded.until), message_id = NULL
