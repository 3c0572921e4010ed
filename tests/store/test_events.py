import datetime as dt

from campaigns.store.events import (
    DeferredEvent,
    EventStatus,
    dead_letter_event,
    defer_events,
    delete_events,
    expire_events,
    give_back_events,
    insert_events,
    take_events,
)
from tests.store.rows import Beside, await_blocked, fetch, read_clock


def put(database, *bodies):
    database.run(insert_events, bodies)


def take(database, *, retry_seconds=3600.0):
    return database.run(take_events, retry_seconds=retry_seconds).bodies


def make_due(database):
    fetch(database, "UPDATE webhook_events SET next_try_at = clock_timestamp()")
    fetch(database, "UPDATE webhook_takes SET until = clock_timestamp()")


def test_a_body_comes_back_as_it_was_stored(database):
    body = bytes(range(256))
    put(database, body, b"")
    first, second = take(database)
    assert (first.body, first.status, first.attempts) == (body, "stored", 1)
    assert second.body == b""


def test_bodies_are_taken_in_the_order_in_which_they_came(database):
    put(database, *(b"%d" % number for number in range(20)))
    assert [event.body for event in take(database)] == [b"%d" % number for number in range(20)]


def test_what_is_taken_is_not_due_for_a_while(database):
    put(database, b"a")
    take(database)
    assert take(database) == []


def test_no_body_is_taken_twice_at_once(database):
    put(database, b"a", b"b")

    def take_beside(connection):
        first = take_events(connection, retry_seconds=3600.0).bodies
        beside = Beside(take, database)
        await_blocked(database)
        put(database, b"c")
        return first, beside

    first, beside = database.run(take_beside)
    assert [event.body for event in first] == [b"a", b"b"]
    assert [event.body for event in beside.result()] == [b"c"]


def test_a_set_is_limited_in_number(database):
    put(database, *[b"x"] * 3_001)
    assert [len(take(database)) for _ in range(3)] == [3_000, 1, 0]


def test_a_take_that_is_done_or_over_is_deleted(database):
    put(database, b"a")
    taken = database.run(take_events, retry_seconds=3600.0)
    database.run(delete_events, [1])
    put(database, b"b")
    database.run(take_events, retry_seconds=3600.0, done_id=taken.take_id)
    assert fetch(database, "SELECT event_ids FROM webhook_takes") == [[2]]
    database.run(delete_events, [2])
    make_due(database)
    assert take(database) == []
    assert fetch(database, "SELECT FROM webhook_takes") == []


def test_a_body_that_was_given_back_waits_and_has_had_no_attempt(database):
    put(database, b"a", b"b")
    database.run(give_back_events, database.run(take_events, retry_seconds=3600.0))
    assert take(database) == []
    make_due(database)
    assert [event.attempts for event in take(database)] == [1, 1]


def test_what_remains_of_a_take_is_taken_alone(database):
    put(database, b"a", b"b", b"c")
    take(database)
    make_due(database)
    put(database, b"new")
    assert [[(event.body, event.attempts) for event in take(database)] for _ in range(4)] == [
        [(b"a", 2)],
        [(b"b", 2)],
        [(b"c", 2)],
        [(b"new", 1)],
    ]


def test_a_later_take_passes_over_the_bodies_that_were_due_before(database):
    put(database, b"a", b"b")
    first = database.run(take_events, retry_seconds=3600.0)
    fetch(database, "UPDATE webhook_events SET next_try_at = %s - interval '1 s' WHERE id = 1", first.since)
    put(database, b"c")
    fetch(database, "DELETE FROM webhook_takes")
    second = database.run(take_events, retry_seconds=3600.0, since=first.since)
    assert [event.body for event in second.bodies] == [b"b", b"c"]
    assert [event.body for event in take(database)] == [b"a"]


def test_a_body_that_was_taken_alone_says_nothing_about_the_others(database):
    put(database, b"a", b"b")
    take(database)
    make_due(database)
    assert database.run(take_events, retry_seconds=3600.0).since is None


def test_a_set_is_limited_in_size_but_takes_one_body_of_any_size(database):
    put(database, b"x" * 600_000, b"y" * 1_500_000, b"z", b"w" * 5_000_000)
    sizes = [[len(event.body) for event in take(database)] for _ in range(3)]
    assert sizes == [[600_000, 1_500_000], [1, 5_000_000], []]


def test_gaps_grow_up_to_six_hours(database):
    put(database, b"a")
    for gap in (30, 60, 120, 240, 480, 960, 1920, 3840, 7680, 15360, 21600, 21600):
        make_due(database)
        before = read_clock(database)
        take(database, retry_seconds=30.0)
        after = read_clock(database)
        sql = "SELECT coalesce((SELECT until FROM webhook_takes), next_try_at) FROM webhook_events"
        (next_try_at,) = fetch(database, sql)
        assert before <= next_try_at - dt.timedelta(seconds=gap) <= after


def test_an_attempt_counts_even_if_its_taker_dies(database):
    put(database, b"a")
    for attempts in (1, 2):
        make_due(database)
        assert take(database)[0].attempts == attempts
    assert fetch(database, "SELECT attempts FROM webhook_events") == [2]


def test_parked_bodies_wait_and_set_aside_ones_are_never_taken(database):
    deferred = [
        DeferredEvent(EventStatus.UNMATCHED, "no message", read_clock(database), b"u"),
        DeferredEvent(EventStatus.SET_ASIDE, "not JSON", read_clock(database), b"s"),
    ]
    database.run(defer_events, deferred, retry_seconds=3600.0)
    assert take(database) == []
    make_due(database)
    assert [(event.body, event.status) for event in take(database)] == [(b"u", "unmatched")]


def test_an_empty_list_of_deferred_events_is_valid(database):
    database.run(defer_events, [], retry_seconds=30.0)
    assert fetch(database, "SELECT count(*) FROM webhook_events") == [0]


def test_a_dead_letter_has_its_reason(database):
    put(database, b"a")
    (event,) = take(database)
    database.run(dead_letter_event, event.id, reason="Postgres refuses it")
    make_due(database)
    assert take(database) == []
    row = fetch(database, "SELECT status, reason, expires_at > now() + interval '7 days' FROM webhook_events")
    assert row == [("set_aside", "Postgres refuses it", True)]


def test_only_what_is_past_its_time_expires_and_only_lost_evidence_is_counted(database):
    put(database, b"stored")
    deferred = [
        DeferredEvent(EventStatus.UNMATCHED, "x", read_clock(database), b"u"),
        DeferredEvent(EventStatus.SET_ASIDE, "x", read_clock(database), b"s"),
    ]
    database.run(defer_events, deferred, retry_seconds=1.0)
    assert database.run(expire_events) == 0
    fetch(database, "UPDATE webhook_events SET expires_at = clock_timestamp() WHERE expires_at IS NOT NULL")
    assert database.run(expire_events) == 1
    assert fetch(database, "SELECT body FROM webhook_events") == [b"stored"]


def test_what_was_applied_is_deleted(database):
    put(database, b"a", b"b")
    first, _ = take(database)
    database.run(delete_events, [first.id])
    assert fetch(database, "SELECT body FROM webhook_events") == [b"b"]
