-- Who has left the moving window frees a slot.
WITH gone AS (
    DELETE FROM portfolio_people
    WHERE portfolio_id = ANY (%(portfolio_ids)s) AND until <= clock_timestamp()
    RETURNING portfolio_id
)
SELECT portfolio_id, count(*) FROM gone GROUP BY portfolio_id
