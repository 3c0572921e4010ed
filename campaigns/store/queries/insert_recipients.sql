-- Good rows become messages, in the order of the file: the ids are drawn above the sort. The first row of a person wins,
-- also against rows that the campaign has already.
INSERT INTO messages (campaign_id, phone, recipient_key, zone_id, variables, consent)
SELECT %(campaign_id)s, s.phone, s.recipient_key, z.id, string_to_array(s.variables, %(separator)s), s.consent
FROM staged_recipients s
LEFT JOIN campaign_zones z ON z.campaign_id = %(campaign_id)s AND z.names = s.zones
WHERE s.reason IS NULL
ORDER BY s.row_number
ON CONFLICT ON CONSTRAINT one_message_per_person DO NOTHING
