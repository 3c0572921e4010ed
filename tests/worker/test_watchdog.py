"""The watch over a worker, where what it uses fails in a way that nobody expects."""

from __future__ import annotations

import threading

import pytest

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.store.database import Database
from campaigns.worker.watchdog import Watch, Worker
from tests.simulator.far_end import PATIENCE_SECONDS


def test_a_worker_was_full_if_all_its_slots_were_taken_for_a_moment(database: Database) -> None:
    stop = threading.Event()
    watch = Watch(
        Worker(owner="here:1", name="worker@here", queues=["campaigns"], slots=2),
        settings=Settings(),
        database=database,
        alerts=Alerts(None),
        stop=stop,
        begin_stop=stop.set,
        put_probe=lambda: True,
    )
    watch.note_begin()
    assert not watch.was_full()
    watch.note_begin()
    watch.note_end()
    assert watch.was_full()
    assert not watch.was_full()
    watch.note_begin()
    assert watch.was_full()
    assert watch.was_full(), "it still is"


def test_a_probe_that_fails_in_any_way_does_not_end_the_watch(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    tries, stop, tried_again = [], threading.Event(), threading.Event()

    def put_probe() -> bool:
        tries.append(len(tries))
        if len(tries) == 3:
            tried_again.set()
        raise AttributeError("of a client that stumbles over itself")

    watch = Watch(
        Worker(owner="here:1", name="worker@here", queues=["campaigns"], slots=4),
        settings=Settings(exit_on_stall_seconds=0.08),
        database=database,
        alerts=Alerts(None),
        stop=stop,
        begin_stop=stop.set,
        put_probe=put_probe,
    )
    watch.start()
    assert tried_again.wait(PATIENCE_SECONDS)
    stop.set()
    assert "could not put its probe" in caplog.text
