-- name: claim_messages
-- Claims messages for sending. Only the holder of the lease gets rows, and only while the campaign runs and has not
-- expired. The order is: released messages that an account has refused and another account may send (`refused`), other
-- released messages that are due (`due`), then the next messages after the cursor (`fresh`). `accounts` and `counts`:
-- the accounts, and the number of tokens that each account was granted. An account gets at most one message per token.
-- An account that has refused a message gets the message again only if all `active` accounts have refused the message.
-- `open_zones`: the zones in which the window is open (0: the campaign's own zone); NULL if the window does not follow
-- the zone of each person.
--
-- A claim skips messages to suppressed people, so the suppressions are checked as late as possible. It also skips
-- messages to people who had `max_per_person` messages of other campaigns in the last `within_days` days; every message
-- that may have been sent counts. The caller serialises the claims of campaigns with such a cap.
--
-- Plan: two index scans on messages_released and one on messages_in_order, which starts at the cursor and so skips the
-- dead entries before it; then the primary key once per row. The campaign id stands in an array of one element. With an
-- equality the primary key has the required order too, and a scan of the primary key would continue after the end of
-- the campaign over the messages of all later campaigns. With an equality and a row comparison (campaign_id, id) the
-- scan would start at the campaign's first message. The messages of a person are looked up by one_message_per_person in
-- each recent campaign. The arrays before the UPDATE are deliberate: a generic plan does not know the LIMIT, assumes a
-- tenth of the table, and would join the picked rows to a scan of all messages.
--
-- `lease` checks the lease and counts the claim. If the number of claims in the row is not `claim_count`, this database
-- is older than the campaign's last claim, and nothing is claimed. `other_ids`: the accounts for which the campaign's
-- template has the category UTILITY or AUTHENTICATION. `recent`: the campaigns whose messages count for a cap per
-- person. `audience`: the earlier campaign whose people this campaign has; a claim skips those whom later evidence takes
-- out of the audience (docs/decisions/0114).
WITH lease AS (
    UPDATE leases l SET claim_count = l.claim_count + 1
    FROM campaigns c
    WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s AND l.claim_count = %(claim_count)s
        AND c.id = l.campaign_id
        AND l.until > clock_timestamp() AND c.status = 'running'
        AND (c.expire_at IS NULL OR c.expire_at > clock_timestamp())
    RETURNING l.campaign_id, l.claim_count, c.max_per_person, c.within_days, ARRAY(
            SELECT g.account_id FROM campaign_categories g
            WHERE g.campaign_id = %(campaign_id)s AND g.account_id = ANY (%(accounts)s::bigint[])
                AND upper(g.category) IN ('UTILITY', 'AUTHENTICATION')
        ) AS other_ids
), recent AS MATERIALIZED (
    -- Campaigns that may have sent messages in the last `within_days` days.
    SELECT array_agg(c.id) AS ids
    FROM campaigns c
    WHERE (SELECT max_per_person FROM lease) IS NOT NULL
        AND c.id <> %(campaign_id)s AND c.started_at IS NOT NULL
        AND coalesce(c.completed_at, c.cancelled_at, 'infinity')
            > clock_timestamp() - make_interval(days => (SELECT within_days FROM lease))
), audience AS MATERIALIZED (
    -- No row if the people of the campaign come from files.
    SELECT u AS wanted FROM audiences u WHERE u.campaign_id = (SELECT campaign_id FROM lease)
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
-- `assigned`: each chosen message with its account, and whether it is skipped. A marketing message is skipped if an
-- answer of the person waits for review. The lock on the answer serialises this claim and a decision about the answer:
-- the claim sees a dismissal that was committed after the claim began, and the decision sees the skipped messages.
), assigned AS MATERIALIZED (
    SELECT a.id, a.account_id,
        s.is_active IS NOT NULL OR r.is_held IS NOT NULL OR c.is_capped IS NOT NULL OR e.has_left IS NOT NULL AS is_suppressed,
        c.is_capped IS NOT NULL AS is_capped,
        r.is_held IS NOT NULL AND s.is_active IS NULL AS is_held,
        e.has_left IS NOT NULL AND s.is_active IS NULL AS has_left
    FROM chosen a
    -- A person may have several active suppressions. Without the LIMIT a generic plan would hash the whole table.
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
    LEFT JOIN LATERAL (
        SELECT true AS has_left
        FROM audience u JOIN messages o
            ON o.campaign_id = (u.wanted).source_id AND o.recipient_key = a.recipient_key
        WHERE a.id <= (u.wanted).last_id AND NOT fits(o, u.wanted)
        LIMIT 1
    ) e ON true
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
        WHEN a.has_left THEN 'the person no longer belongs to the audience'
        ELSE m.error_title END,
    -- A message that is skipped, but not for an opt-out, loses the error of an earlier send. Our own code -2 means
    -- that the message was skipped for a review. The dismissal of the review finds the skipped messages by this code.
    error_code = CASE WHEN a.is_held AND m.doubted IS NULL THEN -2 WHEN a.is_held OR a.is_capped OR a.has_left THEN NULL ELSE m.error_code END,
    error_details = CASE WHEN a.is_held OR a.is_capped OR a.has_left THEN NULL ELSE m.error_details END,
    claimed_at = CASE WHEN a.is_suppressed THEN m.claimed_at ELSE clock_timestamp() END
FROM unnest(
    (SELECT array_agg(id ORDER BY id) FROM assigned),
    (SELECT array_agg(account_id ORDER BY id) FROM assigned),
    (SELECT array_agg(is_suppressed ORDER BY id) FROM assigned),
    (SELECT array_agg(is_capped ORDER BY id) FROM assigned),
    (SELECT array_agg(is_held ORDER BY id) FROM assigned),
    (SELECT array_agg(has_left ORDER BY id) FROM assigned)
) AS a (id, account_id, is_suppressed, is_capped, is_held, has_left)
WHERE m.id = a.id
RETURNING m.id, m.account_id, m.send_no, m.attempts, m.phone, m.variables, m.refused_by, m.pair_refusals,
    m.status <> 'sending', m.recipient_key, (SELECT claim_count FROM lease)

-- name: lock_caps
SELECT pg_advisory_xact_lock(hashtext('revoada: messages per person'))

-- name: has_claimable
-- Whether a claim with enough quota would find a message: a message after the cursor, or a released message that is
-- due.
--
-- Plan: messages_in_order from the cursor on, and messages_released. ORDER BY and LIMIT prevent a plan that reads the
-- table until it finds a row.
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

-- name: count_due
-- The number of released or posted messages that are due, at most `most`. Plan: the first entries of messages_released.
SELECT count(*) FROM (
    SELECT FROM messages m
    WHERE m.campaign_id = %(campaign_id)s AND m.not_before <= clock_timestamp()
    LIMIT %(most)s
) due

-- name: find_next_times_by_zone
-- The time at which the first pending message of each zone may be sent, if the window is ignored. The query reads the
-- whole campaign. A slice runs this query if the slice found nothing to claim and the window follows the zone of each
-- person.
SELECT coalesce(m.zone_id, 0::smallint), min(coalesce(m.not_before, clock_timestamp()))
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'pending'
GROUP BY 1

-- name: load_lease_state
-- Returns whether the lease is still valid and the campaign is running, and the number of claims. Only with a valid
-- lease does an empty claim mean the end of the list.
SELECT l.until > clock_timestamp() AND c.status = 'running', l.claim_count
FROM leases l JOIN campaigns c ON c.id = l.campaign_id
WHERE l.campaign_id = %(campaign_id)s AND l.epoch = %(epoch)s

-- name: set_pace
-- Writes the state of the campaign's pace after a claim, in the same transaction. The claim has locked the lease row.
UPDATE leases SET next_message_at = %(next_message_at)s, burst_count = %(burst_count)s
WHERE campaign_id = %(campaign_id)s AND epoch = %(epoch)s

-- name: find_next_release_at
-- The time at which the first released message may be sent again. Plan: the first entry of messages_released.
SELECT min(not_before) FROM messages WHERE campaign_id = %(campaign_id)s AND not_before IS NOT NULL

-- name: merge_evidence
-- Merges evidence about messages from replies and webhooks. The strongest evidence wins: a status is replaced only by a
-- greater one, the earliest times are kept, and the other columns are merged whatever the status is. So every order of
-- arrival leads to the same row.
--
-- `delivered` and `read` count for every send of a message. Other evidence counts for the last send only, and only
-- while the status is at least `sending`. A late `sent`, or a second copy of a `failed`, does not apply to a message
-- that was released after that send, because the refusal of the send is known already. `counts_for` has the rules for
-- this other evidence, including the rules for a message that was uncertain and is sent again.
--
-- Plan: the primary key once per row. The arrays are sorted by id, the order in which all transactions lock messages.
UPDATE messages m
SET status = greatest(m.status, e.status),
    not_before = NULL,
    -- A wamid contains the phone of the recipient, so an erased message gets another text.
    wamid = CASE WHEN m.phone IS NULL THEN coalesce(m.wamid, 'erased.' || m.id) WHEN e.send_no = m.send_no THEN coalesce(e.wamid, m.wamid) ELSE coalesce(m.wamid, e.wamid) END,
    -- A message was sent no later than it was delivered or read. A `sent` time counts only if its evidence applies.
    sent_at = least(m.sent_at, e.delivered_at, e.read_at,
        CASE WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN e.sent_at END),
    delivered_at = least(m.delivered_at, e.delivered_at),
    read_at = least(m.read_at, e.read_at),
    failed_at = CASE
        WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN least(m.failed_at, e.failed_at)
        ELSE m.failed_at
    END,
    -- The three columns come from one source: the earliest failure. Without a failure, they have the reason why the
    -- message is uncertain, until stronger evidence comes.
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
    is_billable = greatest(m.is_billable, e.is_billable)  -- a message costs money if any evidence says so
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
-- Merges evidence from replies. The UPDATE is the same as in `merge_evidence`, and a test compares the two. In
-- addition, the wamids of the replies are checked. If another message already has the wamid of a reply, the reply
-- belongs to the request of that other message, and the message of this row becomes uncertain.
--
-- Two concurrent transactions do not see each other's wamids. This does no harm: if one reply is read as the reply to
-- two requests, both requests were on the same connection of one process, and each process compares the wamids of its
-- own replies.
--
-- Plan: the hash index on the wamid once per row (the new wamid is written to the same index page); then the primary
-- key once per row.
WITH told AS (
    -- `owner_id`: the id of the other message with the wamid, which is in the table or among these replies.
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
    -- A wamid contains the phone of the recipient, so an erased message gets another text.
    wamid = CASE WHEN m.phone IS NULL THEN coalesce(m.wamid, 'erased.' || m.id) WHEN e.send_no = m.send_no THEN coalesce(e.wamid, m.wamid) ELSE coalesce(m.wamid, e.wamid) END,
    -- A message was sent no later than it was delivered or read. A `sent` time counts only if its evidence applies.
    sent_at = least(m.sent_at, e.delivered_at, e.read_at,
        CASE WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN e.sent_at END),
    delivered_at = least(m.delivered_at, e.delivered_at),
    read_at = least(m.read_at, e.read_at),
    failed_at = CASE
        WHEN counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status) THEN least(m.failed_at, e.failed_at)
        ELSE m.failed_at
    END,
    -- The three columns come from one source: the earliest failure. Without a failure, they have the reason why the
    -- message is uncertain, until stronger evidence comes.
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
    is_billable = greatest(m.is_billable, e.is_billable)  -- a message costs money if any evidence says so
FROM e
WHERE m.id = e.id
    AND e.send_no <= m.send_no
    AND (e.status >= 'delivered' OR counts_for(m.status, m.send_no, m.doubted, e.send_no, e.status))
RETURNING m.id, e.owner_id

-- name: lock_campaigns_of
-- Locks campaigns before their messages are released, so that no campaign completes or is cancelled in the meantime.
SELECT c.id, c.status::text FROM campaigns c
WHERE c.id = ANY (%(campaign_ids)s)
ORDER BY c.id
FOR SHARE

-- name: release_messages
-- Makes messages pending again, because Meta did not accept their last send. In a cancelled campaign the messages
-- become `cancelled` instead. In a completed campaign the messages become `failed`, with Meta's code, or with our own
-- code `never_left`, so that an operator can retry them. In both cases a message with an uncertain send becomes
-- `uncertain` instead. A message changes only if its `send_no` matches and its status is one of `from_statuses`:
-- `sending` or `uncertain` after a reply, and also an accepted status after a refusal by webhook. `refunds`: the send
-- does not count as an attempt. `refusing`: the account that could not send the message. `forgets`: earlier refusals by
-- other accounts are deleted.
UPDATE messages m
SET status = CASE c.status WHEN 'cancelled' THEN unless_doubted(m.doubted, 'cancelled')
        WHEN 'completed' THEN unless_doubted(m.doubted, 'failed') ELSE 'pending' END,
    not_before = CASE WHEN c.status NOT IN ('cancelled', 'completed')
        THEN clock_timestamp() + make_interval(secs => r.wait_seconds) END,
    attempts = m.attempts - r.refunds::int,
    pair_refusals = m.pair_refusals + r.pair_refusals,
    -- The wamid of the refused send is deleted, because evidence about that send must not apply to the next send.
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
    AND m.phone IS NOT NULL  -- an erased message cannot be sent
RETURNING m.id

-- name: export_messages
-- Returns one page of an export: messages with an id above `after`, in the order of their ids, each with the name of
-- its account. A parameter that is NULL or false does not restrict the messages. `skip`: why a message is suppressed;
-- `list_reasons` recognises these reasons in the same way. `reason_statuses`, `reason_codes`: pairs of a status and a code.
--
-- Plan: messages_in_order from `after` on. The array and the order are deliberate, see `claim_messages`.
SELECT m.id, coalesce(m.phone, '') AS phone, m.variables, m.status::text AS status, m.sent_at, m.delivered_at, m.read_at, m.failed_at,
    m.error_code, m.error_title, m.error_details, m.attempts, a.name AS account, m.wamid, m.pricing_category,
    m.pricing_model, m.is_billable, m.consent, m.replied_at
FROM messages m
LEFT JOIN accounts a ON a.id = m.account_id
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[])
    AND m.id > %(after)s
    AND (%(statuses)s::message_status[] IS NULL OR m.status = ANY (%(statuses)s::message_status[]))
    AND (NOT %(has_replied)s OR m.replied_at IS NOT NULL)
    AND (%(skip)s::text IS NULL OR %(skip)s = CASE
        WHEN m.error_code = -2 THEN 'in_review'
        WHEN m.error_title = 'the person had as many messages as the campaign allows' THEN 'capped'
        WHEN m.error_title = 'the person no longer belongs to the audience' THEN 'left_audience'
        ELSE 'opted_out' END)
    AND (%(reason_statuses)s::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(%(reason_statuses)s::text[], %(reason_codes)s::int[]) AS r (status, code)
        WHERE r.status = m.status::text AND r.code IS NOT DISTINCT FROM m.error_code
    ))
    AND (%(code)s::int IS NULL OR m.error_code = %(code)s)
    AND (NOT %(has_no_code)s OR m.error_code IS NULL)
    AND (%(title)s::text IS NULL OR m.error_title = %(title)s)
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s

-- name: page_recipients
-- Returns one page of the list of a campaign's people: as `export_messages`, with the columns that a page shows, but only
-- of the next `searched` messages, whether they fit the filter or not. So a filter that few messages fit does not read
-- the whole campaign.
--
-- Plan: as in `export_messages`.
SELECT m.id, m.recipient_key, m.variables, m.status::text AS status, m.error_code, m.error_title, m.attempts,
    a.name AS account, m.claimed_at, m.sent_at, m.delivered_at, m.read_at, m.failed_at, m.replied_at
FROM (
    SELECT * FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(after)s
    ORDER BY campaign_id, id
    LIMIT %(searched)s
) m
LEFT JOIN accounts a ON a.id = m.account_id
WHERE (%(statuses)s::message_status[] IS NULL OR m.status = ANY (%(statuses)s::message_status[]))
    AND (NOT %(has_replied)s OR m.replied_at IS NOT NULL)
    AND (%(skip)s::text IS NULL OR %(skip)s = CASE
        WHEN m.error_code = -2 THEN 'in_review'
        WHEN m.error_title = 'the person had as many messages as the campaign allows' THEN 'capped'
        WHEN m.error_title = 'the person no longer belongs to the audience' THEN 'left_audience'
        ELSE 'opted_out' END)
    AND (%(reason_statuses)s::text[] IS NULL OR EXISTS (
        SELECT FROM unnest(%(reason_statuses)s::text[], %(reason_codes)s::int[]) AS r (status, code)
        WHERE r.status = m.status::text AND r.code IS NOT DISTINCT FROM m.error_code
    ))
    AND (%(code)s::int IS NULL OR m.error_code = %(code)s)
    AND (NOT %(has_no_code)s OR m.error_code IS NULL)
    AND (%(title)s::text IS NULL OR m.error_title = %(title)s)
ORDER BY m.campaign_id, m.id
LIMIT %(limit)s

-- name: find_last_searched
-- The last of the next `searched` messages; no row if the campaign has fewer. Plan: as in `export_messages`.
SELECT m.id FROM messages m
WHERE m.campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND m.id > %(after)s
ORDER BY m.campaign_id, m.id
OFFSET %(searched)s - 1 LIMIT 1

-- name: find_error_kinds
-- The statuses and the codes of the errors of the next `searched` messages, of all if it is NULL. The cap per person is no
-- error. Plan: as in `export_messages`.
SELECT DISTINCT m.status::text, m.error_code
FROM (
    SELECT status, error_code FROM messages
    WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(after)s
    ORDER BY campaign_id, id
    LIMIT %(searched)s
) m
WHERE m.status IN ('uncertain', 'failed') OR (m.status = 'suppressed' AND m.error_code = -2)

-- name: count_failed
-- Counts the failed messages of a campaign by code, before an operator retries them. `waiting_count`: the number of
-- messages that must not be sent yet, because their code requires a wait after the failure (`later_seconds`).
-- `waits_until`: the time at which the last of these waits ends.
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

-- name: count_failed_by_zone
-- Counts the failed messages with one of the `codes` by the set of zones of the phone (0: unknown) and by the minute
-- from which they may be sent again. The query reads the whole campaign, before an operator retries the messages.
SELECT coalesce(m.zone_id, 0),
    date_trunc('minute', greatest(clock_timestamp(), m.failed_at + make_interval(secs => w.seconds))), count(*)
FROM messages m
JOIN unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS w (code, seconds) ON w.code = m.error_code
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'failed' AND m.phone IS NOT NULL
GROUP BY 1, 2

-- name: retry_messages
-- Makes failed messages with one of the `codes` pending again, for an operator's retry: at most `limit` messages, with
-- ids above `after`. The number of their attempts is reset to 0. `send_no` is not reset, so late evidence about an
-- older send is recognised. Claims find these messages as released messages (`not_before`), not by the cursor. After
-- some error codes, a message may be sent again only after a wait (`later_seconds`). The caller has locked the
-- campaign, so it neither completes nor is cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row. The array, the order and the limit without
-- effect are deliberate: the planner expects few messages with this status, and would rather sort those that it finds by
-- the primary key, among the messages of all later campaigns.
WITH wanted AS (
    SELECT code, make_interval(secs => seconds) AS pause
    FROM unnest(%(codes)s::int[], %(later_seconds)s::float8[]) AS t (code, seconds)
), picked AS MATERIALIZED (
    SELECT m.id
    FROM (
        SELECT id, status FROM messages
        WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(after)s
        ORDER BY campaign_id, id
        LIMIT (SELECT 9223372036854775807)
    ) next
    CROSS JOIN LATERAL (
        SELECT m.id
        FROM messages m
        WHERE m.id = next.id
            AND m.status = 'failed'
            AND m.error_code = ANY (%(codes)s::int[])
            AND m.phone IS NOT NULL  -- erased messages have no recipient
        FOR UPDATE OF m
    ) m
    WHERE next.status = 'failed'
    LIMIT %(limit)s
), retried AS (
    UPDATE messages m
    SET status = 'pending',
        not_before = greatest(clock_timestamp(), m.failed_at + w.pause),
        attempts = 0, pair_refusals = 0, refused_by = NULL,
        -- These columns describe the failed send. The error of the failed send stays until the next send has a result.
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
-- Counts the uncertain messages of a campaign by reason, before an operator sends them again: messages that would be
-- sent, messages to people who have opted out, and messages whose recipient was erased.
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

-- name: count_uncertain_by_zone
-- Counts the uncertain messages that `retry_uncertain` would send again, by the set of zones of the phone (0: unknown).
-- The query reads the whole campaign.
SELECT coalesce(m.zone_id, 0), count(*)
FROM messages m
WHERE m.campaign_id = %(campaign_id)s AND m.status = 'uncertain' AND m.phone IS NOT NULL
    AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
GROUP BY 1

-- name: retry_uncertain
-- Makes uncertain messages pending again, by the decision of an operator, although Meta may have accepted the uncertain
-- send: at most `limit` messages, with ids above `after`. The number of their attempts is reset to 0. Messages to
-- people who have opted out stay uncertain. `send_no` is not reset, and `doubted` records the uncertain send, so that
-- evidence about this send still counts until the message is claimed again. Claims find these messages as released
-- messages (`not_before`), not by the cursor. The caller has locked the campaign, so it neither completes nor is
-- cancelled.
--
-- Plan: messages_in_order from `after` on, then the primary key once per row. The array, the order and the limit without
-- effect are deliberate: the planner expects few messages with this status, and would rather sort those that it finds by
-- the primary key, among the messages of all later campaigns.
WITH picked AS MATERIALIZED (
    SELECT m.id
    FROM (
        SELECT id, status FROM messages
        WHERE campaign_id = ANY (ARRAY[%(campaign_id)s]::bigint[]) AND id > %(after)s
        ORDER BY campaign_id, id
        LIMIT (SELECT 9223372036854775807)
    ) next
    CROSS JOIN LATERAL (
        SELECT m.id
        FROM messages m
        WHERE m.id = next.id
            AND m.status = 'uncertain'
            AND m.phone IS NOT NULL  -- erased messages have no recipient
            AND NOT EXISTS (SELECT FROM suppressions s WHERE s.recipient_key = m.recipient_key AND s.is_active)
        FOR UPDATE OF m
    ) m
    WHERE next.status = 'uncertain'
    LIMIT %(limit)s
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

-- name: find_max_variable_count
SELECT coalesce(max(cardinality(variables)), 0) FROM messages WHERE campaign_id = %(campaign_id)s
