-- name: write_audit
INSERT INTO audit_events (actor, actor_kind, surface, what, target_id, before, after, reason, network,
    token_id, request_id)
VALUES (%(actor)s, %(actor_kind)s, %(surface)s, %(what)s, %(target_id)s, %(before)s, %(after)s, %(reason)s,
    %(network)s::inet, %(token_id)s, %(request_id)s)

-- name: page_audit
-- The newest events first. The index on the time, or on the actor and the time, has this order, so a page reads its own
-- rows only, unless `what` is rare.
SELECT id, at, actor, actor_kind, surface, what, target_id, before, after, reason, host(network) AS network, token_id,
    request_id
FROM audit_events
WHERE (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    AND (%(what)s::text IS NULL OR what = %(what)s)
    AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s, %(last_id)s::bigint))
ORDER BY at DESC, id DESC LIMIT %(limit)s

-- name: page_audit_of_campaign
-- As `page_audit`, for one campaign: the index on the target has the rows in this order.
SELECT id, at, actor, actor_kind, surface, what, target_id, before, after, reason, host(network) AS network, token_id,
    request_id
FROM audit_events
WHERE split_part(what, '.', 1) = 'campaign' AND target_id = %(campaign_id)s
    AND (%(actor)s::text IS NULL OR actor = %(actor)s)
    AND (%(since)s::timestamptz IS NULL OR at >= %(since)s)
    AND (%(until)s::timestamptz IS NULL OR at < %(until)s)
    AND (%(what)s::text IS NULL OR what = %(what)s)
    AND (%(at)s::timestamptz IS NULL OR (at, id) < (%(at)s, %(last_id)s::bigint))
ORDER BY at DESC, id DESC LIMIT %(limit)s

-- name: find_names
-- The names of things that events of the audit name by their ids.
SELECT 'account' AS kind, id, name FROM accounts WHERE id = ANY (%(account)s::bigint[])
UNION ALL SELECT 'campaign', id, name FROM campaigns WHERE id = ANY (%(campaign)s::bigint[])
UNION ALL SELECT 'portfolio', id, name FROM portfolios WHERE id = ANY (%(portfolio)s::bigint[])
UNION ALL SELECT 'template', id, name || ' (' || language || ')' FROM templates WHERE id = ANY (%(template)s::bigint[])
UNION ALL SELECT 'token', id, name FROM api_tokens WHERE id = ANY (%(token)s::bigint[])
UNION ALL SELECT 'user', id, name FROM users WHERE id = ANY (%(user)s::bigint[])

-- name: erase_audit
-- The trigger of the table refuses rows of the last 365 days.
DELETE FROM audit_events WHERE at < now() - make_interval(days => %(days)s)
