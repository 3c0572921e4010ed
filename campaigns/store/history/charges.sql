-- name: lock_counting
-- One process counts at a time, because each count reads a whole campaign.
SELECT pg_try_advisory_xact_lock(730198617)

-- name: find_due_count
-- The started campaign whose kept sums are due first: one without sums, else the one with the oldest. Receipts change the
-- sums until some days after the end. A campaign that still sends is counted every ten minutes, or more seldom if a
-- count takes long. After the end, the time between two counts grows with the time since the end; the count after the
-- third day is the last. An erased campaign keeps its sums, because its people have no country any more.
SELECT c.id FROM campaigns c
LEFT JOIN charge_counts k ON k.campaign_id = c.id
CROSS JOIN LATERAL (SELECT coalesce(c.completed_at, c.cancelled_at) AS ended_at) e
WHERE c.started_at IS NOT NULL AND (
    k.campaign_id IS NULL
    OR c.erased_at IS NULL
        AND k.counted_at < now() - greatest(interval '10 minutes', make_interval(secs => 100 * k.seconds), (now() - e.ended_at) / 4)
        AND (e.ended_at IS NULL OR k.counted_at < e.ended_at + interval '3 days'))
ORDER BY k.counted_at NULLS FIRST, c.id
LIMIT 1

-- name: count_wanted_people
-- The people of a campaign without those who must not be messaged, by the first four digits of the phone. Plan: as for
-- `list_pending_counts`.
SELECT substr(m.phone, 2, 4), count(*) FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status <> 'suppressed' AND (m.status <> 'pending'
    OR NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active))
GROUP BY 1

-- name: count_prefixes
-- The number of these messages, by the first four digits of the phone.
SELECT substr(phone, 2, 4), count(*) FROM messages WHERE id = ANY (%(message_ids)s::bigint[]) GROUP BY 1

-- name: add_count
INSERT INTO charge_counts (campaign_id, counted_at, seconds, people, categories, first_day)
VALUES (%(campaign_id)s, now(), 0, %(people)s, %(categories)s::text[], %(first_day)s)

-- name: finish_count
UPDATE charge_counts SET counted_at = now(), seconds = extract(epoch FROM clock_timestamp() - now())
WHERE campaign_id = %(campaign_id)s

-- name: delete_charges
DELETE FROM charges WHERE campaign_id = %(campaign_id)s

-- name: add_charges
INSERT INTO charges (campaign_id, country, category, day, is_billable, count, account_id)
SELECT %(campaign_id)s, * FROM unnest(
    %(countries)s::text[], %(categories)s::text[], %(days)s::date[], %(billable)s::boolean[], %(counts)s::bigint[],
    %(account_ids)s::bigint[]
)

-- name: load_count
SELECT counted_at, people, categories, first_day FROM charge_counts WHERE campaign_id = %(campaign_id)s

-- name: has_erased_count
SELECT EXISTS (SELECT FROM charge_counts k JOIN campaigns c ON c.id = k.campaign_id
    WHERE k.campaign_id = %(campaign_id)s AND c.erased_at IS NOT NULL)

-- name: list_kept_charges
-- The kept sums of one campaign.
SELECT country, category, day, is_billable, count, account_id FROM charges WHERE campaign_id = %(campaign_id)s

-- name: sum_charges
-- The kept sums of all campaigns of some days. Plan: `charges_by_day`, or `charges_by_campaign` for one campaign.
SELECT country, category, day, is_billable, sum(count)::bigint FROM charges
WHERE day BETWEEN %(first_day)s AND %(last_day)s
    AND (%(campaign_id)s::bigint IS NULL OR campaign_id = %(campaign_id)s)
    AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
GROUP BY 1, 2, 3, 4

-- name: page_charged_campaigns
-- The campaigns with kept sums in some days, by month, the newest month and campaign first, after a key.
SELECT date_trunc('month', h.day::timestamp)::date AS month, h.campaign_id, c.name
FROM charges h JOIN campaigns c ON c.id = h.campaign_id
WHERE h.day BETWEEN %(first_day)s AND least(%(last_day)s::date, coalesce(%(month)s::date + 31, %(last_day)s::date))
    AND (%(campaign_id)s::bigint IS NULL OR h.campaign_id = %(campaign_id)s)
    AND (%(account_id)s::bigint IS NULL OR h.account_id = %(account_id)s)
    AND (%(country)s::text IS NULL OR h.country = %(country)s)
    AND (%(category)s::text IS NULL OR replace(lower(h.category), '-', '_') = %(category)s)
    AND (%(month)s::date IS NULL OR (date_trunc('month', h.day::timestamp)::date, h.campaign_id) < (%(month)s::date, %(after_id)s::bigint))
GROUP BY 1, 2, 3
ORDER BY 1 DESC, 2 DESC
LIMIT %(limit)s

-- name: list_charges_of
-- The kept sums of these campaigns in some days.
SELECT campaign_id, country, category, day, is_billable, sum(count)::bigint FROM charges
WHERE campaign_id = ANY (%(campaign_ids)s::bigint[]) AND day BETWEEN %(first_day)s AND %(last_day)s
    AND (%(account_id)s::bigint IS NULL OR account_id = %(account_id)s)
GROUP BY 1, 2, 3, 4, 5
