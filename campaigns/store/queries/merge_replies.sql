-- Merges evidence from replies as `merge_evidence` does: the UPDATE is the same, and a test compares the two. In
-- addition, if another message has the wamid already, the reply belongs to another request: then the message becomes
-- uncertain.
--
-- Two concurrent transactions do not see each other's wamids. That is harmless: a repeated reply comes on a connection
-- of one process, and each process compares the wamids of its own replies.
--
-- Plan: the hash index on the wamid once per row, on the page that the new wamid goes to; then as `merge_evidence`.
WITH told AS (
    -- The other message is one of the table, or another of this set.
    SELECT t.*, coalesce(owner.id, CASE WHEN t.wamid IS NOT NULL THEN lag(t.id) OVER same END) AS owner_id
    FROM unnest(
        %(ids)s::bigint[], %(send_nos)s::int[], %(statuses)s::message_status[], %(wamids)s::text[],
        %(sent_at)s::timestamptz[], %(delivered_at)s::timestamptz[], %(read_at)s::timestamptz[],
        %(failed_at)s::timestamptz[], %(error_codes)s::int[], %(error_titles)s::text[], %(error_details)s::text[],
        %(pricing_categories)s::text[], %(pricing_models)s::text[], %(billable)s::bool[]
    ) AS t (id, send_no, status, wamid, sent_at, delivered_at, read_at, failed_at, error_code, error_title,
        error_details, pricing_category, pricing_model, is_billable)
    LEFT JOIN LATERAL (
        SELECT o.id FROM messages o WHERE o.wamid = t.wamid AND o.id <> t.id LIMIT 1
    ) owner ON true
    WINDOW same AS (PARTITION BY t.wamid ORDER BY t.id)
), e AS MATERIALIZED (
    SELECT id, send_no, owner_id,
        CASE WHEN owner_id IS NULL THEN status ELSE 'uncertain' END AS status,
        CASE WHEN owner_id IS NULL THEN wamid END AS wamid,
        CASE WHEN owner_id IS NULL THEN sent_at END AS sent_at,
        delivered_at, read_at, failed_at,
        CASE WHEN owner_id IS NULL THEN error_code ELSE %(stray_code)s::int END AS error_code,
        CASE WHEN owner_id IS NULL THEN error_title ELSE %(stray_title)s::text END AS error_title,
        error_details, pricing_category, pricing_model, is_billable
    FROM told
    ORDER BY id
)
UPDATE messages m
SET status = greatest(m.status, e.status),
    not_before = NULL,
    -- A wamid holds the number that it went to, so an erased message takes none, but a word instead.
    wamid = CASE WHEN m.phone IS NULL THEN coalesce(m.wamid, 'erased.' || m.id) WHEN e.send_no = m.send_no THEN coalesce(e.wamid, m.wamid) ELSE coalesce(m.wamid, e.wamid) END,
    -- What was delivered was sent, at the latest then; an earlier send's own `sent` counts for nothing, alone or not.
    sent_at = least(m.sent_at, e.delivered_at, e.read_at,
        CASE WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN e.sent_at END),
    delivered_at = least(m.delivered_at, e.delivered_at),
    read_at = least(m.read_at, e.read_at),
    failed_at = CASE
        WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN least(m.failed_at, e.failed_at)
        ELSE m.failed_at
    END,
    -- One reason, from one source: that of the earliest failure, else that of the doubt, until evidence ends the doubt.
    (error_code, error_title, error_details) = (
        SELECT
            CASE WHEN takes THEN e.error_code WHEN clears THEN NULL ELSE m.error_code END,
            CASE WHEN takes THEN e.error_title WHEN clears THEN NULL ELSE m.error_title END,
            CASE WHEN m.phone IS NULL THEN NULL WHEN takes THEN e.error_details WHEN clears THEN NULL ELSE m.error_details END
        FROM (
            SELECT
                counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) AND (
                    (e.failed_at IS NOT NULL AND (m.failed_at IS NULL
                        OR (e.failed_at, coalesce(e.error_code, 2147483647), coalesce(e.error_title, '') COLLATE "C",
                            coalesce(e.error_details, '') COLLATE "C")
                        < (m.failed_at, coalesce(m.error_code, 2147483647), coalesce(m.error_title, '') COLLATE "C",
                            coalesce(m.error_details, '') COLLATE "C")))
                    OR (e.status = 'uncertain' AND m.status = 'sending')
                ) AS takes,
                e.status > 'uncertain' AND m.failed_at IS NULL AS clears
        ) reason
    ),
    pricing_category = least(m.pricing_category COLLATE "C", e.pricing_category COLLATE "C"),
    pricing_model = least(m.pricing_model COLLATE "C", e.pricing_model COLLATE "C"),
    is_billable = greatest(m.is_billable, e.is_billable)  -- what was billable once costs money
FROM e
WHERE m.id = e.id
    AND e.send_no <= m.send_no
    AND (e.status >= 'delivered' OR counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status))
RETURNING m.id, e.owner_id
