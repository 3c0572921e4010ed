SELECT ca.campaign_id, a.id
FROM campaign_accounts ca JOIN accounts a ON a.id = ca.account_id
WHERE ca.campaign_id = ANY (%(campaign_ids)s) AND a.active
