-- How many messages of a campaign that are not sent yet go to people of these zones. One pass over the campaign, where a
-- zone is never in its window.
SELECT count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending' AND m.zone_id = ANY (%(zone_ids)s::smallint[])
