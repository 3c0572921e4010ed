-- The accounts of campaigns, each with the category of the campaign's template there.
SELECT ca.campaign_id, ca.account_id, g.category
FROM campaign_accounts ca
JOIN campaign_categories g ON g.campaign_id = ca.campaign_id AND g.account_id = ca.account_id
WHERE ca.campaign_id = ANY (%(campaign_ids)s)
ORDER BY ca.campaign_id, ca.account_id
