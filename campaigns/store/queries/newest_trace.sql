-- When this database last saw something happen: a slice that ended, a campaign, an account's event, a webhook.
SELECT greatest(
    (SELECT max(until) FROM leases WHERE until < clock_timestamp()),
    (SELECT max(greatest(created_at, started_at, completed_at, cancelled_at)) FROM campaigns),
    (SELECT max(at) FROM account_events),
    (SELECT max(received_at) FROM webhook_events))
