-- Whether a campaign was rung and nobody has taken it for a while: then slots are short, and slices make room.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at BETWEEN clock_timestamp() - make_interval(secs => %(expiry_seconds)s)
            AND clock_timestamp() - make_interval(secs => %(patience_seconds)s)
)
