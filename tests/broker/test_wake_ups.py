"""Tasks that only wake workers are not published while enough of them wait, and are published again after that."""

from __future__ import annotations

import pytest
import redis
from celery import Celery

from campaigns.broker import enqueue
from campaigns.celery import WakeUp


@pytest.fixture
def queue(valkey, monkeypatch):
    """An empty queue: its length, a way to publish a wake-up to it, and one to empty it."""
    monkeypatch.setattr(enqueue, "_short_at", {})
    app = Celery("wake-ups", broker=valkey.url, set_as_current=False)
    app.conf.task_routes = {"wake": {"queue": "control"}}

    @app.task(name="wake", base=WakeUp)
    def wake():
        pass

    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
        yield lambda: client.llen("control"), wake.apply_async, lambda: client.delete("control")
    app.close()


def fill(publish, count):
    """Publish until enough tasks wait, with no answer of the broker that is still believed."""
    while count() < WakeUp.max_waiting:
        publish()
    enqueue._short_at.clear()


def test_no_more_wait_than_enough(queue):
    count, publish, _ = queue
    fill(publish, count)
    for _ in range(20):
        publish()
    assert count() == WakeUp.max_waiting


def test_one_is_published_as_soon_as_the_queue_is_empty_again(queue):
    count, publish, empty = queue
    fill(publish, count)
    publish()
    empty()
    publish()
    assert count() == 1
