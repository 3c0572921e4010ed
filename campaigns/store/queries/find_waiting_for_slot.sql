-- Whether an enqueued campaign has waited longer than `patience_seconds`: then slots are short, and slices end early.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(patience_seconds)s)
        -- A campaign that is enqueued during its own slice needs no further slot.
        AND NOT EXISTS (SELECT FROM leases l WHERE l.campaign_id = c.id AND l.until > clock_timestamp())
)
