-- Webhooks say that messages since the last activation were sent or delivered. This ends the streaks of reported
-- failures of the accounts, and of the categories in which campaigns sent by these accounts. Reading `ended` makes sure
-- that accounts are locked before their categories.
WITH ended AS (
    UPDATE accounts a
    SET consecutive_reported = 0, reported = '[]'
    WHERE a.id = ANY (%(good_ids)s) AND a.consecutive_reported > 0 AND a.active
    RETURNING a.id
)
UPDATE account_categories k
SET reported = '[]'
FROM unnest(%(campaign_ids)s::bigint[], %(account_ids)s::bigint[]) AS s (campaign_id, account_id)
JOIN campaign_categories g ON g.campaign_id = s.campaign_id AND g.account_id = s.account_id
WHERE (SELECT count(*) FROM ended) >= 0
    AND k.account_id = g.account_id AND k.category = g.category
    AND k.reported <> '[]' AND k.inactive_since IS NULL
