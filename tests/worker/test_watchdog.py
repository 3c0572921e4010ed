"""The watchdog of a worker, also after unexpected errors."""

from __future__ import annotations

import threading

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.store.database import Database
from campaigns.worker.watchdog import Watchdog, Worker
from tests.simulator.far_end import PATIENCE_SECONDS


def test_a_worker_was_full_if_all_its_slots_were_taken_for_a_moment(database: Database) -> None:
    stop = threading.Event()
    watchdog = Watchdog(
        Worker(owner="here:1", name="worker@here", queues=["campaigns"], slots=2),
        settings=Settings(),
        database=database,
        alerts=Alerts(None),
        stop=stop,
        begin_stop=stop.set,
        put_probe=lambda: True,
        store_counts=lambda _: None,
    )
    watchdog.note_task_begin()
    assert not watchdog.was_full()
    watchdog.note_task_begin()
    watchdog.note_task_end()
    assert watchdog.was_full()
    assert not watchdog.was_full()
    watchdog.note_task_begin()
    assert watchdog.was_full()
    assert watchdog.was_full(), "it still is"


def test_a_probe_that_fails_in_any_way_does_not_end_the_watchdog(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tries, stop, tried_again = [], threading.Event(), threading.Event()

    def put_probe() -> bool:
        tries.append(len(tries))
        if len(tries) == 3:
            tried_again.set()
        raise AttributeError("a bug in the client")

    watchdog = Watchdog(
        Worker(owner="here:1", name="worker@here", queues=["campaigns"], slots=4),
        settings=Settings(exit_on_stall_seconds=0.08),
        database=database,
        alerts=Alerts(None),
        stop=stop,
        begin_stop=stop.set,
        put_probe=put_probe,
        store_counts=lambda _: None,
    )
    watchdog.start()
    assert tried_again.wait(PATIENCE_SECONDS)
    stop.set()
    assert "could not put its probe" in caplog.text
