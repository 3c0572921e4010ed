-- What Meta reports of the price of a campaign's messages, summed. One pass over the campaign, asked by a person.
SELECT m.pricing_category AS category, m.pricing_model AS model, m.is_billable, count(*) AS count
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND num_nonnulls(m.pricing_category, m.pricing_model, m.is_billable) > 0
GROUP BY m.pricing_category, m.pricing_model, m.is_billable
ORDER BY count(*) DESC, m.pricing_category, m.pricing_model, m.is_billable
