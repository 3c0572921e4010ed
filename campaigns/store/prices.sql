-- name: write_prices
-- Inserts prices, and corrects those that have the same country, category and day. Equal prices stay as they are, and
-- are not returned. Returns for each other price whether it is new.
INSERT INTO prices AS p (country, category, valid_from, currency, amount, market)
SELECT * FROM unnest(
    %(countries)s::text[], %(categories)s::text[], %(days)s::date[], %(currencies)s::text[], %(amounts)s::numeric[],
    %(markets)s::text[]
) AS given (country, category, valid_from, currency, amount, market)
ORDER BY country, category, valid_from
ON CONFLICT (country, category, valid_from) DO UPDATE
SET currency = excluded.currency, amount = excluded.amount, market = excluded.market
WHERE (p.currency, p.amount, p.market) IS DISTINCT FROM (excluded.currency, excluded.amount, excluded.market)
RETURNING old.country IS NULL

-- name: delete_prices
DELETE FROM prices WHERE valid_from = %(day)s

-- name: has_prices
SELECT EXISTS (SELECT FROM prices)

-- name: list_prices_of
-- The prices of these countries, of all days. NULL: the prices of all countries. The newest day comes first.
SELECT country, category, valid_from, currency, amount, market FROM prices
WHERE %(countries)s::text[] IS NULL OR country = ANY (%(countries)s::text[])
ORDER BY valid_from DESC, market, country, category

-- name: list_prices_in_force
-- The price of each country and category on a day: the one with the newest first day that is not later.
SELECT DISTINCT ON (country, category) country, category, valid_from, currency, amount, market FROM prices
WHERE valid_from <= %(day)s
ORDER BY country, category, valid_from DESC

-- name: list_prices_from
SELECT country, category, valid_from, currency, amount, market FROM prices WHERE valid_from = %(day)s

-- name: list_price_days
SELECT valid_from, count(*) FROM prices GROUP BY 1 ORDER BY 1 DESC

-- name: count_charges
-- The messages of a campaign that Meta has accepted, or may have accepted, by what Meta reports about their price. Meta
-- may report that a failed message is billable. The day of a message is that of its sending in the zone of the campaign. An
-- erased message has no phone, so its prefix is NULL. The query reads the whole campaign once, for a command of an operator and for the kept sums.
SELECT prefix, category, day, is_billable, count(*), account_id FROM (
    SELECT m.account_id, substr(m.phone, 2, 4) AS prefix, m.pricing_category AS category, m.is_billable,
        (coalesce(m.sent_at, m.claimed_at) AT TIME ZONE c.time_zone)::date AS day
    FROM messages m JOIN campaigns c ON c.id = m.campaign_id
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.status IN ('uncertain', 'held', 'sent', 'delivered', 'read') OR m.is_billable IS NOT NULL)
) sent
WHERE day BETWEEN coalesce(%(first_day)s::date, '-infinity') AND coalesce(%(last_day)s::date, 'infinity')
GROUP BY 1, 2, 3, 4, 6

-- name: list_campaigns_between
-- The campaigns that may have sent a message between two days, in any time zone, the oldest first. A reply may come
-- after the end of its campaign.
SELECT id, name FROM campaigns
WHERE started_at < coalesce(%(last_day)s::date + 2, 'infinity')
    AND coalesce(completed_at, 'infinity') >= coalesce(%(first_day)s::date - 2, '-infinity')
ORDER BY id
