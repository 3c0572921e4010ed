-- Whether a campaign was enqueued and nobody has taken it for a while: then slots are short, and slices make room.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(patience_seconds)s)
)
