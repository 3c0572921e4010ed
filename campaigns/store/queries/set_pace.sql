-- Where the campaign's pace stands after a claim; in the claim's own transaction, on the row that it holds.
UPDATE leases SET next_message_at = %(next_message_at)s, burst_count = %(burst_count)s
WHERE campaign_id = %(campaign_id)s AND epoch = %(epoch)s
