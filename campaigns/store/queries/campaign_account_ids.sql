SELECT account_id FROM campaign_accounts WHERE campaign_id = %(campaign_id)s ORDER BY account_id
