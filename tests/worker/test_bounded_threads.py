"""A hanging endpoint fills a few threads and a few places, and no more."""

from __future__ import annotations

import threading

import pytest

from campaigns.worker.bounded_threads import BoundedThreads
from tests.simulator.far_end import PATIENCE_SECONDS


@pytest.fixture
def hang():
    """A call that hangs until the test ends or releases it; how many of them hang."""
    is_over, hanging = threading.Event(), threading.Semaphore(0)

    def call():
        hanging.release()
        assert is_over.wait(PATIENCE_SECONDS)

    yield call, hanging, is_over.set
    is_over.set()


def test_calls_beyond_the_places_are_refused_until_one_ends(hang):
    call, hanging, release = hang
    threads = BoundedThreads("test", thread_count=2, waiting_count=3)
    assert [threads.submit(call) for _ in range(7)] == [True] * 5 + [False] * 2
    for _ in range(2):
        assert hanging.acquire(timeout=PATIENCE_SECONDS)
    assert not hanging.acquire(blocking=False), "three wait"
    release()
    for _ in range(3):
        assert hanging.acquire(timeout=PATIENCE_SECONDS)
    done = threading.Event()
    while not threads.submit(done.set):
        assert not done.is_set()
    assert done.wait(PATIENCE_SECONDS)
    threads.close()


def test_a_call_that_raises_gives_its_place_back():
    threads = BoundedThreads("test", thread_count=1, waiting_count=0)
    done = threading.Event()
    assert threads.submit(lambda: 1 / 0)
    while not threads.submit(done.set):
        assert not done.is_set()
    assert done.wait(PATIENCE_SECONDS)
    threads.close()


def test_calls_that_wait_are_dropped_at_the_end(hang):
    call, hanging, release = hang
    threads = BoundedThreads("test", thread_count=1, waiting_count=2)
    dropped: list[int] = []
    assert threads.submit(call)
    assert hanging.acquire(timeout=PATIENCE_SECONDS)
    assert threads.submit(dropped.append, 1)
    threads.close()
    release()
    threads._executor.shutdown(wait=True)
    assert dropped == []


def test_close_waits_for_the_calls_that_run_if_it_is_told_to(hang):
    call, hanging, release = hang
    threads, done = BoundedThreads("test", thread_count=1, waiting_count=0), threading.Event()
    assert threads.submit(lambda: (call(), done.set()))
    assert hanging.acquire(timeout=PATIENCE_SECONDS)
    threading.Timer(0.1, release).start()
    threads.close(waits=True)
    assert done.is_set()
