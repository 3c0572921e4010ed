-- A changed plan, only in the status it was decided on. `wakes`: what the campaign waits for has changed, so it is
-- looked at now; `rings`: the caller rings it.
UPDATE campaigns
SET name = %(name)s, template_id = %(template_id)s, parameters = %(parameters)s, columns = %(columns)s,
    time_zone = %(time_zone)s, scheduled_at = %(scheduled_at)s,
    interval_seconds = %(interval_seconds)s, pause_after = %(pause_after)s, pause_seconds = %(pause_seconds)s,
    start_within_seconds = %(start_within_seconds)s, expire_at = %(expire_at)s,
    max_per_person = %(max_per_person)s, within_days = %(within_days)s,
    window_from = %(window_from)s, window_to = %(window_to)s, weekdays = %(weekdays)s,
    uses_recipient_zones = %(uses_recipient_zones)s, holidays = %(holidays)s,
    status = %(new)s::campaign_status,
    due_at = CASE WHEN NOT %(wakes)s THEN due_at END,
    enqueued_at = CASE WHEN %(rings)s THEN clock_timestamp() WHEN %(new)s <> 'scheduled' THEN enqueued_at END
WHERE id = %(campaign_id)s AND status = %(old)s::campaign_status
