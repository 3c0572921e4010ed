-- How many people wait for a decision about their answer, and since when, if an alert is due: when the first person
-- waits, and then once a day while anybody waits.
WITH waiting AS (
    SELECT count(DISTINCT recipient_key) AS count, min(opened_at) AS oldest_at FROM optout_reviews WHERE decided_at IS NULL
), told AS (
    UPDATE installation i SET reviews_told_at = CASE WHEN w.count > 0 THEN clock_timestamp() END
    FROM waiting w
    WHERE CASE WHEN w.count > 0 THEN i.reviews_told_at IS NULL OR i.reviews_told_at < clock_timestamp() - interval '1 day'
        ELSE i.reviews_told_at IS NOT NULL END
    RETURNING w.count, w.oldest_at
)
SELECT count, oldest_at FROM told WHERE count > 0
