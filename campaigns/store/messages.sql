-- name: claim_messages
-- Takes messages to send, for the holder of the lease only: first those that an account has refused and another may
-- take, then those released and due again, then the next ones after the cursor. `accounts` and `counts` are the tokens
-- that were granted: no account gets more. A message does not go to an account that has refused it while there is an
-- `active` one that has not. Suppressed people are skipped here, at the last moment. `open_zones`: whose window is open
-- (0: the campaign's own zone), NULL where the window is not that of each person. Nothing is claimed of a campaign that
-- has expired.
--
-- Who had as many messages of other campaigns as this one allows is skipped too: what may have been sent counts. The
-- caller lets no two capped claims run at once.
--
-- Plan: one index scan each on messages_released (twice) and messages_in_order, starting at the cursor (never at the
-- dead entries before it), then the primary key once per row. The campaign stands in an array of one: with an equality
-- the primary key is in that order too, and where the campaign ends it runs on over all campaigns after it; and with the
-- row (campaign, cursor) beside an equality the scan starts at the campaign's first message. What a person had is looked
-- up by one_message_per_person, in each campaign of those days. The arrays before the UPDATE are on purpose: a generic
-- plan does not know LIMIT, takes it for a tenth of the table, and would join the picked rows to a scan of all messages.
-- The beginning of every claim: the lease that it needs, and the campaigns whose messages count for a cap per person.
-- `other_ids` are the accounts in whose WABA the template is of another category than marketing.
WITH lease AS MATERIALIZED (
    SELECT l.campaign_id, c.max_per_person, c.within_days, ARRAY(
            SELECT g.account_id FROM campaign_categories g
            WHERE g.campaign_id = %(campaign_id)s AND g.account_id = ANY (%(accounts)s::bigint[])
                AND upper(g.category) IN ('UTILITY', 'AUTHENTICATION')
        ) AS other_ids
    FROM leases l
    JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
        AND (c.expire_at IS NULL OR c.expire_at > clock_timestamp())
    FOR UPDATE OF l
), recent AS MATERIALIZED (
    -- Campaigns that may have written to somebody in the days that count.
    SELECT array_agg(c.id) AS ids
    FROM campaigns c
    WHERE (SELECT max_per_person FROM lease) IS NOT NULL
        AND c.id <> %(campaign_id)s AND c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity')
            > clock_timestamp() - make_interval(days => (SELECT within_days FROM lease))
), tokens AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
), refused AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, m.recipient_key, t.account_id
    FROM tokens t
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM messages m
        WHERE m.campaign_id = %(campaign_id)s
            AND m.not_before <= clock_timestamp()
            AND m.refused_by IS NOT NULL
            AND (t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY m.campaign_id, m.not_before
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    ORDER BY m.id, t.count DESC
), free AS MATERIALIZED (
    SELECT t.account_id, row_number() OVER (ORDER BY n) AS n
    FROM tokens t
    CROSS JOIN LATERAL generate_series(
        1, t.count - (SELECT count(*) FROM refused r WHERE r.account_id = t.account_id)) AS n
), due AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND m.not_before <= clock_timestamp()
        AND m.refused_by IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.not_before
    LIMIT (SELECT count(*) FROM free)
    FOR UPDATE OF m SKIP LOCKED
), fresh AS MATERIALIZED (
    SELECT m.id, m.recipient_key
    FROM messages m
    WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
        AND m.id > %(cursor)s
        AND m.status = 'pending'
        AND m.not_before IS NULL
        AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        AND EXISTS (SELECT FROM lease)
    ORDER BY m.campaign_id, m.id
    LIMIT (SELECT count(*) FROM free) - (SELECT count(*) FROM due)
    FOR UPDATE OF m SKIP LOCKED
), picked AS (
    SELECT p.*, row_number() OVER () AS n
    FROM (SELECT * FROM due UNION ALL SELECT * FROM fresh) p
), chosen AS MATERIALIZED (
    SELECT id, recipient_key, account_id FROM refused
    UNION ALL
    SELECT p.id, p.recipient_key, f.account_id FROM picked p JOIN free f ON f.n = p.n
-- The end of every claim: who is `chosen` (id, recipient_key, account_id) is claimed, or skipped at the last moment.
-- Marketing skips a person whose answer waits for review. The lock on the answer makes this claim and a decision wait
-- for each other: the claim sees a dismissal that was committed after it began, and the decision sees the skipped
-- messages.
), assigned AS MATERIALIZED (
    SELECT a.id, a.account_id,
        s.is_active IS NOT NULL OR r.is_held IS NOT NULL OR c.is_capped IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped,
        r.is_held IS NOT NULL AND s.is_active IS NULL AS is_held
    FROM chosen a
    -- A person may have several active sources; and without the LIMIT a generic plan would hash the whole table.
    LEFT JOIN LATERAL (
        SELECT s.is_active FROM suppressions s WHERE s.recipient_key = a.recipient_key AND s.is_active LIMIT 1
    ) s ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_held
        FROM optout_reviews r
        WHERE r.id = (
                SELECT o.id FROM lease l, optout_reviews o
                WHERE a.account_id <> ALL (l.other_ids) AND o.recipient_key = a.recipient_key AND o.decided_at IS NULL LIMIT 1
            )
            AND r.decision IS DISTINCT FROM 'dismissed'
        FOR SHARE OF r
    ) r ON true
    LEFT JOIN LATERAL (
        SELECT true AS is_capped
        FROM lease l, recent r
        WHERE l.max_per_person IS NOT NULL AND l.max_per_person <= (
            SELECT count(*) FROM messages o
            WHERE o.campaign_id = ANY (r.ids) AND o.recipient_key = a.recipient_key
                AND o.status >= 'sending' AND o.status <> 'failed'
                AND o.claimed_at > clock_timestamp() - make_interval(days => l.within_days)
        )
    ) c ON true
)
UPDATE messages m
SET status = (CASE WHEN a.is_suppressed THEN unless_doubted(m.doubted, 'suppressed') ELSE 'sending' END)::message_status,
    account_id = CASE WHEN a.is_suppressed THEN m.account_id ELSE a.account_id END,
    send_no = m.send_no + (NOT a.is_suppressed)::int,
    attempts = m.attempts + (NOT a.is_suppressed)::int,
    not_before = NULL,
    error_title = CASE WHEN m.doubted IS NOT NULL THEN m.error_title
        WHEN a.is_held THEN 'an answer of this person may be an opt-out; it waits for review'
        WHEN a.is_capped THEN 'the person had as many messages as the campaign allows'
        ELSE m.error_title END,
    -- Of an earlier try; -2 is a code of our own, by which a dismissed review finds what was skipped for it.
    error_code = CASE WHEN a.is_held AND m.doubted IS NULL THEN -2 WHEN a.is_held OR a.is_capped THEN NULL ELSE m.error_code END,
    error_details = CASE WHEN a.is_held OR a.is_capped THEN NULL ELSE m.error_details END,
    claimed_at = CASE WHEN a.is_suppressed THEN m.claimed_at ELSE clock_timestamp() END
FROM unnest(
    (SELECT array_agg(id ORDER BY id) FROM assigned),
    (SELECT array_agg(account_id ORDER BY id) FROM assigned),
    (SELECT array_agg(is_suppressed ORDER BY id) FROM assigned),
    (SELECT array_agg(is_capped ORDER BY id) FROM assigned),
    (SELECT array_agg(is_held ORDER BY id) FROM assigned)
) AS a (id, account_id, is_suppressed, is_capped, is_held)
WHERE m.id = a.id
RETURNING m.id, m.account_id, m.send_no, m.attempts, m.phone, m.variables, m.refused_by, m.pair_refusals,
    m.status <> 'sending', m.recipient_key

-- name: lock_caps
SELECT pg_advisory_xact_lock(hashtext('revoada: messages per person'))

-- name: has_claimable
-- Whether a message waits for nothing but a slot of its portfolio: one after the cursor, or a released one that is due.
--
-- Plan: messages_in_order from the cursor on, as a claim reads it (claim_messages.sql), and messages_released. The order
-- and the limit keep the planner from reading the table until it meets one.
SELECT coalesce(
    (
        SELECT true FROM messages m
        WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
            AND m.id > %(cursor)s
            AND m.status = 'pending'
            AND m.not_before IS NULL
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        ORDER BY m.campaign_id, m.id
        LIMIT 1
    ),
    (
        SELECT true FROM messages m
        WHERE m.campaign_id = %(campaign_id)s
            AND m.not_before <= clock_timestamp()
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
        ORDER BY m.campaign_id, m.not_before
        LIMIT 1
    ),
    false
)

-- name: next_by_zone
-- When the first pending message of each zone may be tried, but for its window. One pass over the campaign, when a
-- runner found nothing to claim and the window is that of each person.
SELECT coalesce(m.zone_id, 0::smallint), min(coalesce(m.not_before, clock_timestamp()))
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
GROUP BY 1

-- name: holds_lease
-- Whether the campaign is still this runner's to send: an empty claim means the end of the list only then.
SELECT EXISTS (
    SELECT FROM leases l JOIN campaigns c ON c.id = l.campaign_id
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s
        AND l.until > clock_timestamp() AND c.status = 'running'
)

-- name: set_pace
-- Where the campaign's pace stands after a claim; in the claim's own transaction, on the row that it holds.
UPDATE leases SET next_message_at = %(next_message_at)s, burst_count = %(burst_count)s
WHERE campaign_id = %(campaign_id)s AND epoch = %(epoch)s

-- name: next_release_at
-- When the first of the released messages may be tried again (messages_released, first entry).
SELECT min(not_before) FROM messages WHERE campaign_id = %(campaign_id)s AND not_before IS NOT NULL

-- name: merge_evidence
-- Evidence about messages, from replies and from webhooks, strongest wins: the status only climbs, times take the
-- earliest, and the rest merges whatever the status, so any order of arrival ends in the same row.
--
-- Delivered and read prove what they say for any send. Everything else speaks of the last send only, and only while
-- that is out (the status is at least `sending`): a late `sent` or a second copy of a `failed` says nothing about a
-- message that was released since, because its refusal is known already. `counts_for` decides, also after a doubt.
--
-- Plan: the primary key once per row. The arrays come sorted by id: the order in which everybody locks messages.
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
FROM unnest(
    %(ids)s::bigint[], %(send_nos)s::int[], %(statuses)s::message_status[], %(wamids)s::text[],
    %(sent_at)s::timestamptz[], %(delivered_at)s::timestamptz[], %(read_at)s::timestamptz[],
    %(failed_at)s::timestamptz[], %(error_codes)s::int[], %(error_titles)s::text[], %(error_details)s::text[],
    %(pricing_categories)s::text[], %(pricing_models)s::text[], %(billable)s::bool[]
) AS e (id, send_no, status, wamid, sent_at, delivered_at, read_at, failed_at, error_code, error_title,
    error_details, pricing_category, pricing_model, is_billable)
WHERE m.id = e.id
    AND e.send_no <= m.send_no
    AND (e.status >= 'delivered' OR counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status))
RETURNING m.id

-- name: merge_replies
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

-- name: lock_campaigns_of
-- Keeps the campaigns of some messages from completing or being cancelled until this transaction has put messages
-- back: whoever releases takes this lock first.
SELECT c.id, c.status::text FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR SHARE

-- name: release_messages
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

-- name: export_messages
-- One page of an export: messages after an id, in their order, with the account that sent them. `statuses` NULL: all.
--
-- Plan: messages_in_order from `after` on (the array and the order are on purpose: see claim_messages).
SELECT m.id, coalesce(m.phone, '') AS phone, m.variables, m.status::text AS status, m.sent_at, m.delivered_at, m.read_at, m.failed_at,
    m.error_code, m.error_title, m.error_details, m.attempts, a.name AS account, m.wamid, m.pricing_category,
    m.pricing_model, m.is_billable, m.consent
FROM messages m
LEFT JOIN accounts a ON a.id = m.account_id
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
    AND m.id > %(after)s
    AND (%(statuses)s::message_status[] IS NULL OR m.status = ANY (%(statuses)s::message_status[]))
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s

-- name: count_failed
-- Failed messages of a campaign by code, for a person who thinks of a retry: how many, and how many of them (and until
-- when the last) must wait, because their code asks for so many seconds after the failure.
SELECT m.error_code, min(m.error_title) AS title, count(*) AS count,
    count(*) FILTER (WHERE m.failed_at + w.pause > clock_timestamp()) AS waiting_count,
    max(m.failed_at + w.pause) FILTER (WHERE m.failed_at + w.pause > clock_timestamp()) AS waits_until
FROM messages m
LEFT JOIN (
    SELECT code, make_interval(secs => seconds) AS pause
    FROM unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS t (code, seconds)
) w ON w.code = m.error_code
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'failed' AND m.phone IS NOT NULL
GROUP BY m.error_code
ORDER BY count(*) DESC, m.error_code

-- name: retry_messages
-- A person's retry: failed messages with one of the `codes` are pending again, from `after` on, at most `limit` of them,
-- with a fresh budget of attempts. `send_no` goes on, so that what is still told of an older send is known by it. They
-- come back as released messages (`not_before`), apart from the cursor; a code that asks for time (`later_seconds`)
-- waits that long after its failure. The caller has locked the campaign, so it neither completes nor is cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row.
WITH wanted AS (
    SELECT code, make_interval(secs => seconds) AS pause
    FROM unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS t (code, seconds)
), picked AS MATERIALIZED (
    SELECT m.id
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.campaign_id, m.id) > (%(campaign_id)s, %(after)s)
        AND m.status = 'failed'
        AND m.error_code = ANY (%(codes)s::int[])
        AND m.phone IS NOT NULL  -- erased: nobody to write to
    ORDER BY m.campaign_id, m.id
    LIMIT %(limit)s
    FOR UPDATE OF m
), retried AS (
    UPDATE messages m
    SET status = 'pending',
        not_before = greatest(clock_timestamp(), m.failed_at + w.pause),
        attempts = 0, pair_refusals = 0, refused_by = NULL,
        -- What belongs to the failed send; its reason stays until the next one is known.
        wamid = NULL, sent_at = NULL, failed_at = NULL,
        pricing_category = NULL, pricing_model = NULL, is_billable = NULL
    FROM wanted w
    WHERE m.id = ANY (ARRAY(SELECT id FROM picked)) AND m.status = 'failed' AND m.error_code = w.code
    RETURNING m.id, m.error_code, m.error_title, m.not_before
)
SELECT error_code, min(error_title) AS title, count(*) AS count,
    count(*) FILTER (WHERE not_before > clock_timestamp()) AS waiting_count,
    max(not_before) FILTER (WHERE not_before > clock_timestamp()) AS waits_until,
    max(id) AS last_id
FROM retried
GROUP BY error_code
ORDER BY error_code

-- name: count_uncertain
-- Uncertain messages of a campaign by reason, for a person who thinks of sending them again: how many would go, how many
-- stay because the person wants no messages, and how many because nobody knows any more who that was.
SELECT m.error_code, m.error_title AS title,
    count(*) FILTER (WHERE m.phone IS NOT NULL AND s.is_active IS NULL) AS count,
    count(*) FILTER (WHERE s.is_active) AS suppressed_count,
    count(*) FILTER (WHERE m.phone IS NULL) AS erased_count,
    min(m.claimed_at) AS oldest_at, max(m.claimed_at) AS newest_at
FROM messages m
LEFT JOIN LATERAL (
    SELECT s.is_active FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active LIMIT 1
) s ON true
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'uncertain'
GROUP BY m.error_code, m.error_title
ORDER BY count(*) DESC, m.error_code, m.error_title

-- name: retry_uncertain
-- A person's word that uncertain messages go again, though the doubted send may have arrived: from `after` on, at most
-- `limit` of them, with a fresh budget of attempts. What evidence has settled by now is not touched, nor who wants no
-- messages. `send_no` goes on and `doubted` keeps which send it was, so that its proof still counts until the message is
-- claimed again. They come back as released messages (`not_before`), apart from the cursor. The caller has locked the
-- campaign, so it neither completes nor is cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row.
WITH picked AS MATERIALIZED (
    SELECT m.id
    FROM messages m
    WHERE m.campaign_id = %(campaign_id)s
        AND (m.campaign_id, m.id) > (%(campaign_id)s, %(after)s)
        AND m.status = 'uncertain'
        AND m.phone IS NOT NULL  -- erased: nobody to write to
        AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
    ORDER BY m.campaign_id, m.id
    LIMIT %(limit)s
    FOR UPDATE OF m
), retried AS (
    UPDATE messages m
    SET status = 'pending',
        not_before = clock_timestamp(),
        doubted = coalesce(m.doubted, '{}') + int4multirange(int4range(m.send_no, m.send_no, '[]')),
        attempts = 0, pair_refusals = 0, refused_by = NULL
    WHERE m.id = ANY (ARRAY(SELECT id FROM picked)) AND m.status = 'uncertain'
    RETURNING m.id
)
SELECT count(*), max(id) FROM retried

-- name: variables_width
SELECT coalesce(max(cardinality(variables)), 0) FROM messages WHERE campaign_id = %(campaign_id)s
