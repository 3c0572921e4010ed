-- Portfolios as people see them. `people_count` leaves out who has left the window and is not forgotten yet.
SELECT p.id, p.name, p.daily_limit, n.people_count,
    CASE WHEN n.people_count >= p.daily_limit THEN n.next_slot_at END AS next_slot_at, p.created_at
FROM portfolios p
CROSS JOIN LATERAL (
    SELECT count(*) AS people_count,
        (array_agg(i.until ORDER BY i.until))[1 + greatest(count(*) - p.daily_limit, 0)] AS next_slot_at
    FROM portfolio_people i WHERE i.portfolio_id = p.id AND i.until > clock_timestamp()
) n
ORDER BY p.id
