-- Evidence about messages, from replies and from webhooks, strongest wins: the status only climbs, times take the
-- earliest, and the rest merges whatever the status, so any order of arrival ends in the same row.
--
-- Delivered and read prove what they say for any send. `sent` does for an earlier send too (an operator's retry). For
-- the last send everything counts, but only while it is out: `send_no` is the last one and the status is at least
-- `sending`. So a late `sent` cannot settle a send whose refusal brought the message back to pending.
--
-- Plan: the primary key once per row. The arrays come sorted by id: the order in which everybody locks messages.
UPDATE messages m
SET status = CASE
        WHEN e.status >= 'delivered'
            OR (e.status = 'sent' AND e.send_no < m.send_no)
            OR (e.send_no = m.send_no AND m.status >= 'sending')
        THEN greatest(m.status, e.status)
        ELSE m.status
    END,
    not_before = CASE
        WHEN e.status >= 'delivered' OR (e.status = 'sent' AND e.send_no < m.send_no) THEN NULL
        ELSE m.not_before
    END,
    wamid = CASE WHEN e.send_no = m.send_no THEN coalesce(e.wamid, m.wamid) ELSE coalesce(m.wamid, e.wamid) END,
    sent_at = least(m.sent_at, e.sent_at),
    delivered_at = least(m.delivered_at, e.delivered_at),
    read_at = least(m.read_at, e.read_at),
    failed_at = CASE
        WHEN e.send_no = m.send_no AND m.status >= 'sending' THEN least(m.failed_at, e.failed_at)
        ELSE m.failed_at
    END,
    -- One reason, from one source: that of the earliest failure, else that of the doubt, until evidence ends the doubt.
    (error_code, error_title, error_details) = (
        SELECT
            CASE WHEN takes THEN e.error_code WHEN clears THEN NULL ELSE m.error_code END,
            CASE WHEN takes THEN e.error_title WHEN clears THEN NULL ELSE m.error_title END,
            CASE WHEN takes THEN e.error_details WHEN clears THEN NULL ELSE m.error_details END
        FROM (
            SELECT
                e.send_no = m.send_no AND m.status >= 'sending' AND (
                    (e.failed_at IS NOT NULL AND (m.failed_at IS NULL
                        OR (e.failed_at, coalesce(e.error_code, 0)) < (m.failed_at, coalesce(m.error_code, 0))))
                    OR (e.status = 'uncertain' AND m.status = 'sending')
                ) AS takes,
                e.status > 'uncertain' AND m.failed_at IS NULL AS clears
        ) reason
    ),
    pricing_category = coalesce(m.pricing_category, e.pricing_category),
    pricing_model = coalesce(m.pricing_model, e.pricing_model)
FROM unnest(
    %(ids)s::bigint[], %(send_nos)s::int[], %(statuses)s::message_status[], %(wamids)s::text[],
    %(sent_at)s::timestamptz[], %(delivered_at)s::timestamptz[], %(read_at)s::timestamptz[],
    %(failed_at)s::timestamptz[], %(error_codes)s::int[], %(error_titles)s::text[], %(error_details)s::text[],
    %(pricing_categories)s::text[], %(pricing_models)s::text[]
) AS e (id, send_no, status, wamid, sent_at, delivered_at, read_at, failed_at, error_code, error_title,
    error_details, pricing_category, pricing_model)
WHERE m.id = e.id AND e.send_no <= m.send_no
RETURNING m.id
