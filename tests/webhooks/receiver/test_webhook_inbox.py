import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from webhooks.receiver.inbox import Inbox, InboxUnavailable


class Store:
    """Keeps the groups that were inserted. Closed, it holds the writer up; bodies in `poison` and an outage raise."""

    def __init__(self, *, is_open=True):
        self.groups = []
        self.tries = []
        self.poison = set()
        self.is_down = False
        self.entered = threading.Event()
        self.gate = threading.Event()
        if is_open:
            self.gate.set()

    def insert(self, bodies):
        self.tries.append(list(bodies))
        self.entered.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        if self.is_down or self.poison & set(bodies):
            raise ConnectionError("no")
        self.groups.append(list(bodies))

    @property
    def bodies(self):
        return [body for group in self.groups for body in group]


def make_inbox(store, **limits):
    """Make an inbox whose requests wait as long as the tests do."""
    return Inbox(store.insert, **{"wait_seconds": PATIENCE_SECONDS} | limits)


def queue_of(inbox):
    return inbox._queues[os.getpid()]


@pytest.fixture
def threads():
    with ThreadPoolExecutor(64) as executor:
        yield executor


def add_behind(inbox, store, threads, bodies):
    """Hold the writer up with one body and let `bodies` gather behind it, in order."""
    first = threads.submit(inbox.add, b"first")
    assert store.entered.wait(PATIENCE_SECONDS)
    behind = []
    for count, body in enumerate(bodies, 1):
        behind.append(threads.submit(inbox.add, body))
        wait_for(lambda count=count: len(queue_of(inbox).waiting) == count)
    return first, behind


def test_a_body_is_in_when_add_returns():
    store = Store()
    make_inbox(store).add(b"one")
    assert store.groups == [[b"one"]]


def test_concurrent_bodies_share_one_insert(threads):
    store = Store(is_open=False)
    first, behind = add_behind(make_inbox(store), store, threads, [b"a", b"b", b"c"])
    store.gate.set()
    for adding in (first, *behind):
        adding.result(PATIENCE_SECONDS)
    assert store.groups == [[b"first"], [b"a", b"b", b"c"]]


def test_each_add_returns_only_after_its_own_body_is_in(threads):
    store = Store()
    inbox = make_inbox(store)

    def add_and_look(n):
        body = b"%d" % n
        inbox.add(body)
        return body in store.bodies

    assert all(threads.map(add_and_look, range(500)))
    assert len(store.bodies) == 500


def test_nobody_returns_while_the_insert_runs(threads):
    store = Store(is_open=False)
    first, behind = add_behind(make_inbox(store), store, threads, [b"a"])
    assert not first.done()
    assert not behind[0].done()
    store.gate.set()
    behind[0].result(PATIENCE_SECONDS)


def test_a_group_ends_at_its_number_and_at_its_bytes(threads):
    store = Store(is_open=False)
    bodies = [b"a", b"b", b"c", b"four", b"fifth", b"much too long"]
    first, behind = add_behind(make_inbox(store, max_group=3, max_group_bytes=8), store, threads, bodies)
    store.gate.set()
    for adding in (first, *behind):
        adding.result(PATIENCE_SECONDS)
    assert store.groups == [[b"first"], [b"a", b"b", b"c"], [b"four"], [b"fifth"], [b"much too long"]]


def test_one_poison_body_does_not_fail_its_neighbours(threads):
    store = Store(is_open=False)
    store.poison = {b"poison"}
    _, (good, bad, other) = add_behind(make_inbox(store), store, threads, [b"good", b"poison", b"other"])
    store.gate.set()
    good.result(PATIENCE_SECONDS)
    other.result(PATIENCE_SECONDS)
    with pytest.raises(InboxUnavailable):
        bad.result(PATIENCE_SECONDS)
    assert store.groups == [[b"first"], [b"good"], [b"other"]]


def test_a_lone_body_that_fails_is_not_tried_twice():
    store = Store()
    store.is_down = True
    with pytest.raises(InboxUnavailable) as failure:
        make_inbox(store).add(b"one")
    assert isinstance(failure.value.__cause__, ConnectionError)
    assert store.tries == [[b"one"]]


def test_the_inbox_works_again_after_an_outage():
    store = Store()
    inbox = make_inbox(store)
    store.is_down = True
    with pytest.raises(InboxUnavailable):
        inbox.add(b"lost")
    store.is_down = False
    inbox.add(b"kept")
    assert store.bodies == [b"kept"]


def test_the_wait_limit_frees_the_request_and_withdraws_its_body(threads):
    store = Store(is_open=False)
    inbox = make_inbox(store, wait_seconds=0.05)
    first = threads.submit(inbox.add, b"first")
    assert store.entered.wait(PATIENCE_SECONDS)
    with pytest.raises(InboxUnavailable, match="wait limit"):
        inbox.add(b"second")
    with pytest.raises(InboxUnavailable, match="wait limit"):
        first.result(PATIENCE_SECONDS)
    store.gate.set()
    wait_for(lambda: store.bodies)
    inbox._wait_seconds = PATIENCE_SECONDS
    inbox.add(b"third")
    assert store.bodies == [b"first", b"third"]  # the first was in the writer's hands already: stored, harmless


def test_bodies_that_were_given_up_are_not_tried_singly(threads):
    store = Store(is_open=False)
    inbox = make_inbox(store)
    _, behind = add_behind(inbox, store, threads, [b"a", b"b"])
    entries = list(queue_of(inbox).waiting)
    store.entered.clear()
    store.is_down = True
    gate, store.gate = store.gate, threading.Event()
    gate.set()
    assert store.entered.wait(PATIENCE_SECONDS)  # the group is being inserted and hangs
    for entry in entries:
        with pytest.raises(InboxUnavailable):
            inbox._abandon(entry, queue_of(inbox))
    store.is_down = False
    store.poison = {b"a"}
    store.gate.set()
    inbox.add(b"next")
    assert store.tries == [[b"first"], [b"a", b"b"], [b"next"]]
    for entry, adding in zip(entries, behind, strict=True):
        entry.unsettled.release()  # as the end of its wait would
        adding.result(PATIENCE_SECONDS)


def test_too_many_in_line_are_refused_at_once(threads):
    store = Store(is_open=False)
    inbox = make_inbox(store, max_waiting=2)
    first, behind = add_behind(inbox, store, threads, [b"a", b"b"])
    with pytest.raises(InboxUnavailable, match="too many"):
        inbox.add(b"c")
    store.gate.set()
    for adding in (first, *behind):
        adding.result(PATIENCE_SECONDS)
    assert b"c" not in store.bodies


def test_no_thread_starts_before_the_first_body():
    inbox = make_inbox(Store())
    assert not inbox._queues
    inbox.add(b"one")
    assert queue_of(inbox).writer.daemon


def test_a_dead_writer_is_replaced():
    store = Store()
    inbox = make_inbox(store)
    inbox.add(b"one")
    queue_of(inbox).writer = threading.Thread()  # never started: not alive
    inbox.add(b"two")
    assert store.bodies == [b"one", b"two"]


def test_a_forked_child_has_a_writer_of_its_own(threads):
    store = Store(is_open=False)
    inbox = make_inbox(store)
    first, _ = add_behind(inbox, store, threads, [b"a"])
    queue_of(inbox).changed.acquire()  # the fork happens while a thread of the parent holds the lock
    child = os.fork()
    if child == 0:
        store.gate.set()
        inbox.add(b"of the child")
        os._exit(0 if store.bodies == [b"of the child"] else 1)
    queue_of(inbox).changed.release()
    _, status = os.waitpid(child, 0)
    store.gate.set()
    first.result(PATIENCE_SECONDS)
    assert os.waitstatus_to_exitcode(status) == 0
    assert b"of the child" not in store.bodies
