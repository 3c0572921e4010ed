-- Deletes parked pieces and bodies of webhooks that hold a number or a user id of the person, or the id of a message to
-- that person.
DELETE FROM webhook_events e
WHERE e.status <> 'stored' AND EXISTS (
    SELECT FROM (
        SELECT unnest(%(names)s::text[])
        UNION ALL
        SELECT m.wamid FROM campaigns c JOIN messages m ON m.campaign_id = c.id
        WHERE m.recipient_key = %(recipient_key)s AND m.wamid IS NOT NULL
    ) AS held (text)
    WHERE position(convert_to(held.text, 'UTF8') IN e.body) > 0
)
