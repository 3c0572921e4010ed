-- The categories of campaigns' templates for accounts, also for an account that has left its campaign since.
SELECT g.campaign_id, g.account_id, g.category
FROM unnest(%(campaign_ids)s::bigint[], %(account_ids)s::bigint[]) AS s (campaign_id, account_id)
JOIN campaign_categories g ON g.campaign_id = s.campaign_id AND g.account_id = s.account_id
