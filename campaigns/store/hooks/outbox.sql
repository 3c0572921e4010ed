-- name: write_event
INSERT INTO hook_events (type, data) VALUES (%(type)s, %(data)s)

-- name: write_optouts
-- Writes an event for each person who does not want messages any more, if a hook wants these events. Otherwise the
-- phones are not kept here.
INSERT INTO hook_events (type, data)
SELECT 'person.opted_out', jsonb_build_object('phone', said.phone, 'source', said.source)
FROM unnest(%(phones)s::text[], %(sources)s::text[]) AS said (phone, source)
WHERE EXISTS (SELECT FROM hooks h WHERE 'person.opted_out' = ANY (h.types))

-- name: write_test_event
WITH event AS (
    INSERT INTO hook_events (type, data, planned_at)
    VALUES ('hook.test', jsonb_build_object('hook_id', (%(hook_id)s::bigint)::text), clock_timestamp())
    RETURNING id
)
INSERT INTO hook_deliveries (hook_id, event_id) SELECT %(hook_id)s, id FROM event RETURNING event_id

-- name: plan_deliveries
-- Plans the deliveries of the oldest new events to all enabled hooks that want them; returns the number of these events.
-- Two processes plan different events, because each skips the events that the other has locked.
--
-- Plan: the partial index hook_events_unplanned, then the primary key once per event.
WITH new_events AS MATERIALIZED (
    SELECT id FROM hook_events WHERE planned_at IS NULL ORDER BY id LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), planned AS (
    UPDATE hook_events e SET planned_at = clock_timestamp() FROM new_events n WHERE e.id = n.id RETURNING e.id, e.type
), added AS (
    INSERT INTO hook_deliveries (hook_id, event_id)
    SELECT h.id, p.id FROM planned p JOIN hooks h ON p.type = ANY (h.types) AND h.disabled_at IS NULL
    ON CONFLICT DO NOTHING
)
SELECT count(*) FROM planned

-- name: find_due_hooks
-- The enabled hooks with events that are due, and to which no process delivers.
SELECT h.id FROM hooks h
WHERE h.disabled_at IS NULL AND h.busy_until <= clock_timestamp()
    AND EXISTS (SELECT FROM hook_deliveries d WHERE d.hook_id = h.id AND d.due_at <= clock_timestamp())
ORDER BY h.id

-- name: take_hook
-- Takes a hook for `seconds`. `held`: the end of the time for which the caller has taken it already; NULL: it has not.
-- Returns no row if the hook is disabled, or if another process has taken it.
UPDATE hooks h SET busy_until = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE h.id = %(hook_id)s AND h.disabled_at IS NULL
    AND (h.busy_until <= clock_timestamp() OR h.busy_until = %(held)s::timestamptz)
RETURNING h.url, h.secret, CASE WHEN h.old_secret_until > now() THEN h.old_secret END, h.failing_since,
    h.busy_until, extract(epoch FROM clock_timestamp())::float8

-- name: give_hook_back
UPDATE hooks SET busy_until = '-infinity' WHERE id = %(hook_id)s AND busy_until = %(held)s

-- name: list_due_deliveries
-- Plan: the partial index hook_deliveries_due, then the primary key of hook_events once per event.
SELECT d.event_id, d.try_count, 'evt_' || replace(e.uid::text, '-', ''), e.type, e.at, e.data
FROM hook_deliveries d JOIN hook_events e ON e.id = d.event_id
WHERE d.hook_id = %(hook_id)s AND d.due_at <= clock_timestamp()
ORDER BY d.due_at, d.event_id
LIMIT %(limit)s

-- name: write_tries
-- Writes the results of tries. `wait_seconds`: until the next try; NULL: there is none. A failure counts only if nothing
-- has changed the delivery since it was read. A success always counts, because the receiver has the event.
UPDATE hook_deliveries d
SET try_count = d.try_count + 1, tried_at = clock_timestamp(),
    delivered_at = CASE WHEN t.is_success THEN clock_timestamp() END,
    due_at = CASE WHEN NOT t.is_success THEN clock_timestamp() + make_interval(secs => t.wait_seconds) END,
    status = t.status, error = t.error, answer = t.answer, seconds = t.seconds
FROM unnest(
    %(event_ids)s::bigint[], %(try_counts)s::integer[], %(are_successes)s::bool[], %(wait_seconds)s::float8[],
    %(statuses)s::integer[], %(errors)s::text[], %(answers)s::text[], %(seconds)s::float8[]
) AS t (event_id, try_count, is_success, wait_seconds, status, error, answer, seconds)
WHERE d.hook_id = %(hook_id)s AND d.event_id = t.event_id
    AND (t.is_success OR (d.try_count = t.try_count AND d.due_at IS NOT NULL))

-- name: note_success
UPDATE hooks SET failing_since = NULL, succeeded_at = clock_timestamp() WHERE id = %(hook_id)s

-- name: note_hook_failure
-- Notes that all POSTs of a round failed. Disables the hook if no POST has succeeded for `days`, or if it is gone.
-- Returns whether this statement disabled it.
UPDATE hooks h
SET failing_since = coalesce(h.failing_since, clock_timestamp()),
    disabled_at = CASE WHEN %(is_gone)s OR h.failing_since <= clock_timestamp() - make_interval(days => %(days)s)
        THEN clock_timestamp() END,
    disabled_reason = CASE WHEN %(is_gone)s THEN 'gone'
        WHEN h.failing_since <= clock_timestamp() - make_interval(days => %(days)s) THEN 'failing' END
WHERE h.id = %(hook_id)s AND h.disabled_at IS NULL
RETURNING h.disabled_reason

-- name: list_deliveries
-- The deliveries to a hook, the newest event first. `before`: only events with a smaller id. `state` NULL: all states.
--
-- Plan: the primary key, backwards, which stops after `limit` rows.
SELECT d.event_id, 'evt_' || replace(e.uid::text, '-', '') AS webhook_id, e.type, e.at, e.data, d.try_count, d.due_at, d.tried_at, d.delivered_at, d.status, d.error,
    d.answer, d.seconds,
    CASE WHEN d.due_at IS NOT NULL THEN 'waiting' WHEN d.delivered_at IS NOT NULL THEN 'delivered' ELSE 'given_up' END
        AS state
FROM hook_deliveries d JOIN hook_events e ON e.id = d.event_id
WHERE d.hook_id = %(hook_id)s AND d.event_id < %(before)s::bigint
    AND (%(state)s::text IS NULL OR %(state)s = CASE WHEN d.due_at IS NOT NULL THEN 'waiting'
        WHEN d.delivered_at IS NOT NULL THEN 'delivered' ELSE 'given_up' END)
ORDER BY d.event_id DESC
LIMIT %(limit)s

-- name: resend_delivery
-- Makes a delivery due now, with all its tries. The event keeps its id.
UPDATE hook_deliveries SET due_at = clock_timestamp(), delivered_at = NULL, try_count = 0
WHERE hook_id = %(hook_id)s AND event_id = %(event_id)s

-- name: replay_deliveries
-- Makes all events of the hook's types due now that have at least this id, or that happened at or after this time. The
-- test events of the hook are left out.
INSERT INTO hook_deliveries AS d (hook_id, event_id)
SELECT h.id, e.id FROM hooks h JOIN hook_events e ON e.type = ANY (h.types)
WHERE h.id = %(hook_id)s AND (e.id >= %(from_id)s::bigint OR e.at >= %(from_time)s::timestamptz)
ON CONFLICT (hook_id, event_id) DO UPDATE SET due_at = clock_timestamp(), delivered_at = NULL, try_count = 0

-- name: erase_phones
-- Takes the phone out of the events about a person, and the answers of receivers, which may repeat it.
WITH erased AS (
    UPDATE hook_events SET data = jsonb_set(data, '{phone}', 'null')
    WHERE type = 'person.opted_out' AND data ->> 'phone' = ANY (%(phones)s::text[])
    RETURNING id
), answers AS (
    UPDATE hook_deliveries d SET answer = NULL FROM erased e WHERE d.event_id = e.id
)
SELECT count(*) FROM erased

-- name: erase_old_events
-- Deletes the oldest events that are older than `days`, with their deliveries; returns the number of these events.
WITH old_events AS (
    SELECT id FROM hook_events WHERE at < now() - make_interval(days => %(days)s) ORDER BY at, id LIMIT %(limit)s
), deliveries AS (
    DELETE FROM hook_deliveries d USING old_events o WHERE d.event_id = o.id
), erased AS (
    DELETE FROM hook_events e USING old_events o WHERE e.id = o.id RETURNING e.id
)
SELECT count(*) FROM erased
