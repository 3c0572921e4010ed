UPDATE campaigns
SET recipient_count = recipient_count + %(recipient_count)s,
    duplicate_count = duplicate_count + %(duplicate_count)s,
    rejected_count = rejected_count + %(rejected_count)s
WHERE id = %(campaign_id)s
