-- Campaigns that have not ended and whose recipients bring values for these templates.
SELECT id FROM campaigns
WHERE template_id = ANY (%(template_ids)s) AND status NOT IN ('completed', 'cancelled')
ORDER BY id
