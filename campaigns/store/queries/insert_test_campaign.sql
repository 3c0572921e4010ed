-- A test of a campaign: started at once, with its template and accounts, without its pace and schedule.
WITH campaign AS (
    INSERT INTO campaigns (name, status, template_id, parameters, columns, time_zone, test_of, enqueued_at)
    SELECT c.name || ' (test)', 'pending', c.template_id, c.parameters, c.columns, c.time_zone, c.id,
        clock_timestamp()
    FROM campaigns c WHERE c.id = %(campaign_id)s
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id)
    SELECT t.id, a.account_id FROM campaign t, campaign_accounts a WHERE a.campaign_id = %(campaign_id)s
)
SELECT id FROM campaign
