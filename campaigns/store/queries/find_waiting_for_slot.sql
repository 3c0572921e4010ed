-- Whether an enqueued campaign has waited longer than `patience_seconds`: then slots are short, and slices end early.
SELECT EXISTS (
    SELECT FROM campaigns c
    WHERE is_eligible(c, clock_timestamp())
        AND c.enqueued_at <= clock_timestamp() - make_interval(secs => %(patience_seconds)s)
)
