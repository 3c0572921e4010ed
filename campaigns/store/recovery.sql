-- name: find_running_now
-- Who may send or write now: connections of processes of Revoada (commands have another name), and leases that live.
SELECT
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %(process)s AND pid <> pg_backend_pid()),
    (SELECT min(campaign_id) FROM leases WHERE until > clock_timestamp()),
    (SELECT max(until) FROM leases WHERE until > clock_timestamp())

-- name: list_recoverable
-- Campaigns that may have sent something since the state of this database, with what a recovery makes of each. Locked in
-- their order, so that none begins meanwhile. `is_done`: a recovery from this restore has been here before (it ran after
-- `since`), or the campaign was made after it.
SELECT c.id, c.name, c.status::text AS status,
    (sum(t.count) FILTER (WHERE t.status IN ('pending', 'sending')))::bigint AS count,
    c.status IN ('scheduled', 'paused') AND c.started_at IS NULL AND coalesce(c.scheduled_at > clock_timestamp(), false)
        AS is_ahead,
    coalesce(greatest(c.recovered_at, CASE WHEN c.created_at > i.recovered_at THEN c.created_at END)
        >= %(since)s AND i.recovered_at >= %(since)s, false) AS is_done
FROM (SELECT * FROM campaigns ORDER BY id FOR NO KEY UPDATE) c
CROSS JOIN installation i
LEFT JOIN tallies t ON t.campaign_id = c.id
GROUP BY c.id, c.name, c.status, c.scheduled_at, c.started_at, c.created_at, c.recovered_at, i.recovered_at
HAVING sum(t.count) FILTER (WHERE t.status IN ('pending', 'sending')) > 0
ORDER BY c.id

-- name: newest_trace
-- When this database last saw something happen: a slice that ended, a campaign, an account's event, a webhook.
SELECT greatest(
    (SELECT max(until) FROM leases WHERE until < clock_timestamp()),
    (SELECT max(greatest(created_at, started_at, completed_at, cancelled_at)) FROM campaigns),
    (SELECT max(at) FROM account_events),
    (SELECT max(received_at) FROM webhook_events))

-- name: count_retryable_failures
-- Failed messages, which a person may have sent again in the forgotten time.
SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status = 'failed'

-- name: is_recovered
SELECT recovered_at >= %(since)s FROM installation

-- name: move_sequences
-- New messages and campaigns get no id that a forgotten one may have had: webhooks still speak of those.
SELECT setval(pg_get_serial_sequence('messages', 'id'), nextval(pg_get_serial_sequence('messages', 'id')) + %(message_ids)s),
    setval(pg_get_serial_sequence('campaigns', 'id'), nextval(pg_get_serial_sequence('campaigns', 'id')) + %(campaign_ids)s)

-- name: raise_epochs
UPDATE leases SET epoch = epoch + %(epochs)s

-- name: delete_stop_replies
DELETE FROM stop_replies

-- name: retry_unmatched_events
UPDATE webhook_events SET next_try_at = clock_timestamp() WHERE status = 'unmatched'

-- name: note_recovery
UPDATE installation SET recovered_at = clock_timestamp()

-- name: lock_all_portfolios
SELECT id FROM portfolios ORDER BY id FOR NO KEY UPDATE

-- name: doubt_forgotten
-- Whatever of these campaigns may have been sent and is not known to have been: uncertain. Which sends that were, and by
-- whom, is forgotten with them; so every `send_no` that they may have had is doubted, and evidence about any settles the
-- message. They may have left as late as now: the limits of people count from here.
--
-- Plan: one pass over each campaign.
UPDATE messages
SET status = 'uncertain', not_before = NULL,
    doubted = coalesce(doubted, '{}') + int4multirange(int4range(
        least(send_no + (status = 'pending')::int, 32767), least(send_no + %(lost_sends)s, 32767), '[]')),
    send_no = least(send_no + %(lost_sends)s, 32767),
    account_id = NULL, claimed_at = clock_timestamp(),
    error_code = NULL, error_title = %(reason)s, error_details = NULL
WHERE campaign_id = ANY (%(campaign_ids)s) AND status IN ('pending', 'sending')

-- name: count_doubted_people
-- Everybody who may have got a message counts in the portfolios of its campaign's accounts for 24 hours from now: who is
-- counted already for longer, and as many others as there are free slots, since more were never sent to. The caller has
-- locked the portfolios and forgotten who has left.
INSERT INTO portfolio_people AS p (portfolio_id, recipient_key, until)
SELECT f.id, d.recipient_key, clock_timestamp() + interval '24 hours'
FROM portfolios f
CROSS JOIN LATERAL (
    SELECT m.recipient_key
    FROM campaign_accounts a
    JOIN messages m ON m.campaign_id = a.campaign_id
    LEFT JOIN portfolio_people k ON k.portfolio_id = f.id AND k.recipient_key = m.recipient_key
    WHERE a.campaign_id = ANY (%(campaign_ids)s)
        AND a.account_id IN (SELECT id FROM accounts WHERE portfolio_id = f.id)
        AND m.status = 'uncertain' AND m.error_title = %(reason)s AND m.recipient_key IS NOT NULL
    GROUP BY m.recipient_key, k.recipient_key
    ORDER BY k.recipient_key IS NULL, m.recipient_key
    LIMIT f.daily_limit
) d
ORDER BY f.id, d.recipient_key
ON CONFLICT (portfolio_id, recipient_key) DO UPDATE SET until = excluded.until, message_id = NULL

-- name: mark_recovered
-- Remembers that a recovery was here: the first one after a restore has been in all campaigns but those that a person
-- vouches for, also where nothing is left to send. One with doubted messages may have begun, whatever its status was.
UPDATE campaigns SET recovered_at = clock_timestamp(),
    started_at = CASE WHEN id = ANY (%(doubted_ids)s) THEN coalesce(started_at, clock_timestamp()) ELSE started_at END
WHERE id = ANY (%(campaign_ids)s) OR (%(is_first)s AND id <> ALL (%(spared_ids)s))
