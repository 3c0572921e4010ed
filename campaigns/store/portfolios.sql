-- name: lock_portfolios
-- Locks portfolios in the order of their ids and returns their quota. Every claim takes this lock, so the quota does
-- not change until the transaction ends, and two claims never both use the last quota. Portfolios are locked before
-- messages.
SELECT id, daily_limit - people_count FROM portfolios WHERE id = ANY (%(portfolio_ids)s)
ORDER BY id
FOR NO KEY UPDATE

-- name: delete_expired_people
-- Deletes the people whose 24 hours are over, and returns the quota that becomes free in each portfolio.
WITH gone AS (
    DELETE FROM portfolio_people
    WHERE portfolio_id = ANY (%(portfolio_ids)s) AND until <= clock_timestamp()
    RETURNING portfolio_id
)
SELECT portfolio_id, count(*) FROM gone GROUP BY portfolio_id

-- name: claim_counted
-- Claims as `claim_messages` does, for accounts of a portfolio without quota. It claims only messages to people whom
-- the portfolio counts already, because such messages use no quota. The query reads these people in the order of their
-- keys, from the first key after `after` on. There are at most as many of these people as the daily limit, however long
-- the list of the campaign is. The caller has locked the portfolio.
--
-- Plan: the primary key of portfolio_people from `after` on, and one_message_per_person once per person.
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
), chosen AS MATERIALIZED (
    SELECT DISTINCT ON (m.id) m.id, m.recipient_key, t.account_id
    FROM unnest(%(accounts)s::bigint[], %(counts)s::int[]) AS t (account_id, count)
    CROSS JOIN LATERAL (
        SELECT m.id, m.recipient_key
        FROM portfolio_people p
        JOIN messages m ON m.campaign_id = %(campaign_id)s AND m.recipient_key = p.recipient_key
        WHERE p.portfolio_id = %(portfolio_id)s AND p.recipient_key > %(after)s AND p.until > clock_timestamp()
            AND m.status = 'pending'
            AND (m.not_before IS NULL OR m.not_before <= clock_timestamp())
            AND (m.refused_by IS NULL OR t.account_id <> ALL (m.refused_by) OR m.refused_by @> %(active)s::bigint[])
            AND (%(open_zones)s::smallint[] IS NULL OR coalesce(m.zone_id, 0::smallint) = ANY (%(open_zones)s))
            AND EXISTS (SELECT FROM lease)
        ORDER BY p.recipient_key
        LIMIT t.count
        FOR UPDATE OF m SKIP LOCKED
    ) m
    ORDER BY m.id, t.count DESC
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

-- name: count_claimed
-- Counts the people of claimed messages for 24 hours from now. A person who is counted already uses no more quota. If
-- another message counts the person too, `message_id` becomes NULL, so that no single message can give the quota back.
-- The claimed messages of a standing campaign may be several to one person.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until, message_id)
SELECT c.portfolio_id, m.recipient_key, clock_timestamp() + interval '24 hours',
    CASE WHEN count(*) = 1 THEN min(m.id) END
FROM unnest(%(message_ids)s::bigint[], %(portfolio_ids)s::bigint[]) AS c (message_id, portfolio_id)
JOIN messages m ON m.id = c.message_id
GROUP BY c.portfolio_id, m.recipient_key
ORDER BY c.portfolio_id, m.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE
SET until = excluded.until,
    message_id = CASE WHEN p.message_id = excluded.message_id THEN p.message_id END

-- name: find_next_quota_at
-- The time at which quota becomes free. `excess`: the number of people above the limit, if the limit was lowered. If
-- there is no such time, returns the time after `look_again_seconds`, when the caller polls again.
SELECT coalesce(
    (
        SELECT until FROM portfolio_people WHERE portfolio_id = %(portfolio_id)s
        ORDER BY until
        OFFSET %(excess)s LIMIT 1
    ),
    clock_timestamp() + make_interval(secs => %(look_again_seconds)s)
)

-- name: find_portfolios_of_messages
SELECT DISTINCT portfolio_id FROM portfolio_people WHERE message_id = ANY (%(message_ids)s)

-- name: return_quota
DELETE FROM portfolio_people WHERE message_id = ANY (%(message_ids)s)

-- name: wake_campaigns_for_quota
-- Makes campaigns of these accounts due now if they wait for the daily limit. The transaction that freed the quota is
-- committed already. All running campaigns of the accounts are locked first, whatever they wait for. A slice may end at
-- the same time. Either the slice has written its wait before this lock, and this statement finds the campaign, or the
-- slice sees the free quota after this lock (`has_free_quota`).
WITH locked AS (
    SELECT c.id, c.waiting_reason FROM campaigns c
    WHERE c.status = 'running'
        AND EXISTS (
            SELECT FROM campaign_accounts ca
            WHERE ca.campaign_id = c.id AND ca.account_id = ANY (%(account_ids)s::bigint[])
        )
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE campaigns c
SET due_at = NULL, enqueued_at = CASE WHEN %(should_enqueue)s THEN clock_timestamp() ELSE c.enqueued_at END
FROM locked l WHERE c.id = l.id AND l.waiting_reason = 'daily_limit'
RETURNING c.id

-- name: has_free_quota
-- Whether one of these accounts has quota now. Before, the portfolios of these accounts had no quota. The caller has
-- locked the campaign.
SELECT EXISTS (
    SELECT FROM accounts a
    LEFT JOIN portfolios p ON p.id = a.portfolio_id
    WHERE a.id = ANY (%(account_ids)s::bigint[]) AND a.active AND (p.id IS NULL OR p.people_count < p.daily_limit)
)

-- name: find_portfolio
-- Finds the portfolio with this name, or, if no portfolio has this name, the portfolio with this id.
SELECT id FROM portfolios WHERE name = %(word)s OR id::text = %(word)s
ORDER BY name = %(word)s DESC
LIMIT 1

-- name: list_portfolios
-- Returns portfolios for listings. `people_count` omits people whose 24 hours are over but whose rows were not deleted
-- yet.
SELECT p.id, p.name, p.daily_limit, n.people_count,
    CASE WHEN n.people_count >= p.daily_limit THEN n.next_slot_at END AS next_slot_at, p.created_at
FROM portfolios p
CROSS JOIN LATERAL (
    SELECT count(*) AS people_count,
        (array_agg(i.until ORDER BY i.until))[1 + greatest(count(*) - p.daily_limit, 0)] AS next_slot_at
    FROM portfolio_people i WHERE i.portfolio_id = p.id AND i.until > clock_timestamp()
) n
ORDER BY p.id

-- name: list_account_ids_of_portfolio
SELECT id FROM accounts WHERE portfolio_id = %(portfolio_id)s ORDER BY id

-- name: move_account
UPDATE accounts SET portfolio_id = %(portfolio_id)s WHERE id = %(account_id)s

-- name: count_past_sends
-- When an account joins a portfolio, counts the people to whom the account has sent in the last 24 hours. Reads the
-- campaigns that may have sent messages in this time. A message that is pending again was refused, so it does not
-- count. A failed message may have been accepted first, so it counts.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until)
SELECT %(portfolio_id)s, m.recipient_key, max(m.claimed_at) + interval '24 hours'
FROM campaigns c
JOIN messages m ON m.campaign_id = c.id
WHERE c.started_at IS NOT NULL
    AND (c.completed_at IS NULL OR c.completed_at > clock_timestamp() - interval '24 hours')
    AND m.account_id = %(account_id)s AND m.status >= 'sending'
    AND m.claimed_at > clock_timestamp() - interval '24 hours'
GROUP BY m.recipient_key
ORDER BY m.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE SET until = greatest(p.until, excluded.until), message_id = NULL

-- name: insert_portfolio
INSERT INTO portfolios (name, daily_limit) VALUES (%(name)s, %(daily_limit)s) RETURNING id

-- name: update_portfolio
UPDATE portfolios
SET name = coalesce(%(name)s, name), daily_limit = coalesce(%(daily_limit)s::int, daily_limit)
WHERE id = %(portfolio_id)s
