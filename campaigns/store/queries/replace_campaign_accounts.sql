-- Exactly these accounts; who stays is not touched.
WITH gone AS (
    DELETE FROM campaign_accounts
    WHERE campaign_id = %(campaign_id)s AND account_id <> ALL (%(account_ids)s::bigint[])
)
INSERT INTO campaign_accounts (campaign_id, account_id)
SELECT %(campaign_id)s, unnest(%(account_ids)s::bigint[])
ON CONFLICT DO NOTHING
