-- name: find_active_processes
-- The processes that may send, write, or start campaigns now: connections of the roles (commands have another
-- `application_name`), and valid leases.
SELECT
    (SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = %(process)s AND pid <> pg_backend_pid()),
    (SELECT min(campaign_id) FROM leases WHERE until > clock_timestamp()),
    (SELECT max(until) FROM leases WHERE until > clock_timestamp())

-- name: list_recoverable
-- Campaigns that may have sent messages after the restored state, with the facts by which the recovery decides about
-- each campaign. All campaigns are locked in the order of their ids, so that no campaign starts in the meantime.
-- `is_done`: an earlier recovery from this restore (at or after `since`) has recovered the campaign already, or the
-- campaign was created after that recovery.
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

-- name: find_last_activity_at
-- The time of the last activity in this database: the end of a slice, a change of a campaign, an account event, or a
-- webhook.
SELECT greatest(
    (SELECT max(until) FROM leases WHERE until < clock_timestamp()),
    (SELECT max(greatest(created_at, started_at, completed_at, cancelled_at)) FROM campaigns),
    (SELECT max(at) FROM account_events),
    (SELECT max(received_at) FROM webhook_events))

-- name: count_retryable_failures
-- The number of failed messages. An operator may have sent these messages again in the time that the restore has lost.
SELECT coalesce(sum(count), 0)::bigint FROM tallies WHERE status = 'failed'

-- name: is_recovered
SELECT recovered_at >= %(since)s FROM installation

-- name: move_sequences
-- New messages and campaigns get ids beyond the ids that the restore has lost, because webhooks may still name the lost
-- ids.
SELECT setval(pg_get_serial_sequence('messages', 'id'), nextval(pg_get_serial_sequence('messages', 'id')) + %(message_ids)s),
    setval(pg_get_serial_sequence('campaigns', 'id'), nextval(pg_get_serial_sequence('campaigns', 'id')) + %(campaign_ids)s)

-- name: raise_epochs
UPDATE leases SET epoch = epoch + %(epochs)s

-- name: delete_stop_replies
DELETE FROM stop_replies

-- name: retry_unmatched_events
UPDATE webhook_events SET next_try_at = clock_timestamp() WHERE status = 'unmatched'

-- name: note_recovery
UPDATE installation SET recovered_at = clock_timestamp(), found_older_at = NULL

-- name: lock_all_portfolios
SELECT id FROM portfolios ORDER BY id FOR NO KEY UPDATE

-- name: mark_forgotten_uncertain
-- Makes the pending and sending messages of these campaigns uncertain, because they may have been sent. The restore has
-- lost their sends and the accounts of these sends. So `doubted` gets every `send_no` that the lost sends may have had,
-- and evidence about any of these sends settles the message. A lost send may be as recent as now, so `claimed_at`
-- becomes now, and the limits per person count from now.
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

-- name: count_uncertain_people
-- Counts the recipients of the uncertain messages towards the daily limit for 24 hours from now, in each portfolio of
-- the campaigns' accounts. At most `daily_limit` people are counted, because no more people can have received a
-- message. People who already have a row in `portfolio_people` for this portfolio come first. The caller has locked the
-- portfolios and deleted expired people.
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
-- Records the recovery of campaigns. The first recovery after a restore covers all campaigns, also campaigns with
-- nothing left to send, except the campaigns that the operator excludes (`spared_ids`). A campaign with uncertain
-- messages gets a start time, because it may have been started after the restored state.
UPDATE campaigns SET recovered_at = clock_timestamp(),
    started_at = CASE WHEN id = ANY (%(uncertain_ids)s) THEN coalesce(started_at, clock_timestamp()) ELSE started_at END
WHERE id = ANY (%(campaign_ids)s) OR (%(is_first)s AND id <> ALL (%(spared_ids)s))
