-- Whether one of these accounts, in whose portfolios there was no slot, has one now. The caller has locked the campaign.
SELECT EXISTS (
    SELECT FROM accounts a
    LEFT JOIN portfolios p ON p.id = a.portfolio_id
    WHERE a.id = ANY (%(account_ids)s::bigint[]) AND a.active AND (p.id IS NULL OR p.people_count < p.daily_limit)
)
