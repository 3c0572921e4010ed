-- Back to pending, with knowledge: nothing of this send was accepted. In a campaign that is over there is no pending:
-- a cancelled one keeps `cancelled`, a completed one `failed` with the reason, and with a code of our own where Meta has
-- given none (`never_left`), by which a person may retry it. Guarded by `send_no` and by the statuses
-- from which this release may start (a reply: while it was out; a webhook's refusal: also after it was accepted).
-- `refunds`: the send used no attempt. `refusing`: the account that could not send it.
UPDATE messages m
SET status = CASE c.status WHEN 'cancelled' THEN unless_doubted(m.doubted, 'cancelled')
        WHEN 'completed' THEN unless_doubted(m.doubted, 'failed') ELSE 'pending' END,
    not_before = CASE WHEN c.status NOT IN ('cancelled', 'completed')
        THEN clock_timestamp() + make_interval(secs => r.wait_seconds) END,
    attempts = m.attempts - r.refunds::int,
    pair_refusals = m.pair_refusals + r.pair_refusals,
    -- What Meta gave the refused send is not the message's any more: nothing may find the next send by it.
    wamid = NULL,
    sent_at = NULL,
    refused_by = CASE WHEN r.refusing IS NULL THEN m.refused_by
        WHEN r.forgets THEN ARRAY[r.refusing] ELSE array_append(m.refused_by, r.refusing) END,
    failed_at = CASE WHEN c.status = 'completed' AND m.doubted IS NULL THEN clock_timestamp() ELSE m.failed_at END,
    error_code = CASE WHEN c.status = 'completed' AND m.doubted IS NULL THEN coalesce(r.error_code, %(never_left)s)
        ELSE r.error_code END,
    error_title = r.error_title, error_details = r.error_details
FROM unnest(
    %(ids)s::bigint[], %(send_nos)s::int[], %(wait_seconds)s::float8[], %(refunds)s::bool[],
    %(refusing)s::bigint[], %(forgets)s::bool[], %(pair_refusals)s::int[], %(error_codes)s::int[], %(error_titles)s::text[],
    %(error_details)s::text[]
) AS r (id, send_no, wait_seconds, refunds, refusing, forgets, pair_refusals, error_code, error_title, error_details)
JOIN campaigns c ON c.id = ANY (%(campaign_ids)s)
WHERE m.id = r.id AND m.campaign_id = c.id AND m.send_no = r.send_no
    AND m.status = ANY (%(from_statuses)s::message_status[])
    AND m.phone IS NOT NULL  -- who was erased is sent to no more
RETURNING m.id
