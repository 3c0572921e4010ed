import logging
import os
import threading

import pytest

from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from webhooks.receiver.notifier import Notifier


class Broker:
    """Takes tasks while `may_answer` is set, hangs while it is not, and fails while `is_broken`."""

    def __init__(self, *, answers=True):
        self.call_count = self.returned_count = 0
        self.is_broken = False
        self.called = threading.Condition()
        self.may_answer = threading.Event()
        if answers:
            self.may_answer.set()

    def enqueue(self):
        with self.called:
            self.call_count += 1
            self.called.notify_all()
        assert self.may_answer.wait(PATIENCE_SECONDS)
        is_broken = self.is_broken
        self.returned_count += 1
        if is_broken:
            raise ConnectionError("redis://:secret@broker")

    def wait_for_calls(self, count):
        with self.called:
            assert self.called.wait_for(lambda: self.call_count >= count, PATIENCE_SECONDS)


def events_of(caplog):
    return [record.event for record in caplog.records]


def test_notify_enqueues():
    broker = Broker()
    Notifier(broker.enqueue).notify()
    broker.wait_for_calls(1)


def test_many_requests_during_one_call_are_one_more_call():
    broker = Broker(answers=False)
    notifier = Notifier(broker.enqueue, min_gap_seconds=0)
    notifier.notify()
    broker.wait_for_calls(1)
    for _ in range(1_000):
        notifier.notify()
    broker.may_answer.set()
    broker.wait_for_calls(2)
    (sender,) = notifier._senders.values()
    wait_for(lambda: not sender.requested.is_set())
    assert broker.call_count == 2


def test_a_hanging_broker_delays_no_answer():
    broker = Broker(answers=False)
    notifier = Notifier(broker.enqueue)
    notifier.notify()
    broker.wait_for_calls(1)
    for _ in range(10_000):
        notifier.notify()
    assert (broker.call_count, broker.returned_count) == (1, 0), "the first call still hangs"
    broker.may_answer.set()


def test_an_outage_is_logged_once_and_so_is_its_end(caplog):
    caplog.set_level(logging.INFO, "webhooks.receiver.notifier")
    broker = Broker()
    broker.is_broken = True
    notifier = Notifier(broker.enqueue, min_gap_seconds=0)
    for count in (1, 2, 3):
        notifier.notify()
        broker.wait_for_calls(count)
    wait_for(lambda: broker.returned_count == 3)
    broker.is_broken = False
    notifier.notify()
    wait_for(lambda: events_of(caplog) == ["doorbell_failed", "doorbell_back"])
    notifier.notify()
    broker.wait_for_calls(5)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_request_during_the_call_that_ends_the_thread_is_not_the_last():
    calls, may_end = [], threading.Event()

    def enqueue():
        calls.append(threading.current_thread())
        if len(calls) == 1:
            assert may_end.wait(PATIENCE_SECONDS)
            raise SystemExit

    notifier = Notifier(enqueue)
    notifier.notify()
    wait_for(lambda: calls)
    notifier.notify()
    may_end.set()
    calls[0].join(PATIENCE_SECONDS)
    notifier.notify()
    wait_for(lambda: len(calls) == 2)


def test_no_thread_starts_before_the_first_request():
    assert not Notifier(Broker().enqueue)._senders


def test_a_forked_child_enqueues_by_itself():
    broker = Broker()
    notifier = Notifier(broker.enqueue)
    notifier.notify()
    broker.wait_for_calls(1)
    child = os.fork()
    if child == 0:
        threading.Timer(PATIENCE_SECONDS, os._exit, (1,)).start()
        broker.called = threading.Condition()
        notifier.notify()
        broker.wait_for_calls(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert broker.call_count == 1
