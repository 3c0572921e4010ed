-- The accounts that may send for campaigns: active, and not deactivated for the category of the campaign's template.
SELECT ca.campaign_id, ca.account_id
FROM campaign_accounts ca
JOIN accounts a ON a.id = ca.account_id
JOIN campaign_categories g ON g.campaign_id = ca.campaign_id AND g.account_id = ca.account_id
LEFT JOIN account_categories k ON k.account_id = ca.account_id AND k.category = g.category
WHERE ca.campaign_id = ANY (%(campaign_ids)s) AND a.active AND k.inactive_since IS NULL
