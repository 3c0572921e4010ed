-- A draft with its lease and its accounts: no campaign is ever without a lease row.
WITH campaign AS (
    INSERT INTO campaigns (
        name, template_id, parameters, columns, time_zone, scheduled_at, start_within_seconds, expire_at, max_per_person, within_days,
        interval_seconds, pause_after, pause_seconds, window_from, window_to, weekdays, uses_recipient_zones, holidays)
    VALUES (
        %(name)s, %(template_id)s, %(parameters)s, %(columns)s, %(time_zone)s, %(scheduled_at)s,
        %(start_within_seconds)s, %(expire_at)s, %(max_per_person)s, %(within_days)s, %(interval_seconds)s, %(pause_after)s, %(pause_seconds)s,
        %(window_from)s, %(window_to)s, %(weekdays)s, %(uses_recipient_zones)s, %(holidays)s)
    RETURNING id
), lease AS (
    INSERT INTO leases (campaign_id) SELECT id FROM campaign
), accounts AS (
    INSERT INTO campaign_accounts (campaign_id, account_id) SELECT id, unnest(%(account_ids)s::bigint[]) FROM campaign
)
SELECT id FROM campaign
