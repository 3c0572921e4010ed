SELECT EXISTS (
    SELECT FROM campaigns c JOIN messages m ON m.campaign_id = c.id
    WHERE m.recipient_key = %(recipient_key)s
)
