-- The time at which a slot becomes free. `excess` is the number of people above the limit, if the limit was lowered. If
-- no person's time ends, the caller polls again after `look_again_seconds`.
SELECT coalesce(
    (
        SELECT until FROM portfolio_people WHERE portfolio_id = %(portfolio_id)s
        ORDER BY until
        OFFSET %(excess)s LIMIT 1
    ),
    clock_timestamp() + make_interval(secs => %(look_again_seconds)s)
)
