-- The places of a file's people that the campaign does not know yet. The caller's import holds the campaign.
INSERT INTO campaign_zones (campaign_id, id, names)
SELECT %(campaign_id)s,
    coalesce((SELECT max(id) FROM campaign_zones WHERE campaign_id = %(campaign_id)s), 0)
        + row_number() OVER (ORDER BY found.zones),
    found.zones
FROM (
    SELECT DISTINCT s.zones FROM staged_recipients s
    WHERE s.zones IS NOT NULL
        AND NOT EXISTS (SELECT FROM campaign_zones z WHERE z.campaign_id = %(campaign_id)s AND z.names = s.zones)
) found
