from dataclasses import replace

from campaigns.store.installation import WorkerReport, list_workers, remove_worker, report_worker
from tests.store.rows import fetch, read_clock

REPORT = WorkerReport(
    owner="host:7",
    name="worker@host",
    queues=["campaigns"],
    slots=512,
    running_count=3,
    started_seconds=60.0,
    consumed_seconds=20.0,
    stalled_seconds=None,
    local_time=0.0,
    descriptor_limit=1024,
    memory_limit_mb=None,
)


def report(database, **changes):
    database.run(report_worker, replace(REPORT, **changes), patience_seconds=60.0)


def test_a_worker_is_as_it_said_last_in_times_of_the_server(database):
    report(database, running_count=0)
    before = read_clock(database)
    report(database, stalled_seconds=45.0)
    (row,) = database.run(list_workers)
    after = read_clock(database)
    assert (row.owner, row.name, row.queues, row.slots, row.running_count) == (
        *("host:7", "worker@host"),
        ["campaigns"],
        *(512, 3),
    )
    assert row.stalled_seconds == 45.0
    assert (row.descriptor_limit, row.memory_limit_mb) == (1024, None)
    assert before <= row.seen_at <= after
    assert 0 <= row.seen_seconds <= (after - before).total_seconds()
    assert round(row.consumed_seconds) == 20
    assert round((row.seen_at - row.started_at).total_seconds()) == 60
    # A clock that stands at 1970.
    assert row.skew_seconds < -1_700_000_000


def test_who_ends_as_it_should_is_forgotten(database):
    report(database)
    report(database, owner="host:8")
    database.run(remove_worker, "host:7")
    assert [row.owner for row in database.run(list_workers)] == ["host:8"]


def test_a_silent_predecessor_and_who_was_silent_for_a_day_are_forgotten(database):
    silent = (
        ("host:1", "worker@host", "61 s"), ("host:2", "worker@host", "50 s"), ("other:3", "worker@other", "61 s"),
        ("gone:4", "worker@gone", "25 hours"),
    )  # fmt: skip
    for owner, name, ago in silent:
        report(database, owner=owner, name=name)
        fetch(database, f"UPDATE workers SET seen_at = clock_timestamp() - interval '{ago}' WHERE owner = %s", owner)
    report(database)
    assert {row.owner for row in database.run(list_workers)} == {"host:2", "host:7", "other:3"}
