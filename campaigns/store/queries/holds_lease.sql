-- Whether the campaign is still this runner's to send: an empty claim means the end of the list only then.
SELECT EXISTS (
    SELECT FROM leases l JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
)
