import logging
import os
import threading

from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from webhooks.receiver.notifier import Doorbell


class Bell:
    def __init__(self, *, is_open=True):
        self.rings = self.returned = 0
        self.is_broken = False
        self.rang = threading.Condition()
        self.gate = threading.Event()
        if is_open:
            self.gate.set()

    def ring(self):
        with self.rang:
            self.rings += 1
            self.rang.notify_all()
        assert self.gate.wait(PATIENCE_SECONDS)
        is_broken = self.is_broken
        self.returned += 1
        if is_broken:
            raise ConnectionError("redis://:secret@broker")

    def wait_for(self, rings):
        with self.rang:
            assert self.rang.wait_for(lambda: self.rings >= rings, PATIENCE_SECONDS)


def events_of(caplog):
    return [record.event for record in caplog.records]


def test_a_press_rings():
    bell = Bell()
    Doorbell(bell.ring).press()
    bell.wait_for(1)


def test_many_presses_during_one_ring_are_one_more_ring():
    bell = Bell(is_open=False)
    doorbell = Doorbell(bell.ring, min_gap_seconds=0)
    doorbell.press()
    bell.wait_for(1)
    for _ in range(1_000):
        doorbell.press()
    bell.gate.set()
    bell.wait_for(2)
    (button,) = doorbell._buttons.values()
    wait_for(lambda: not button.pressed.is_set())
    assert bell.rings == 2


def test_a_hanging_bell_holds_nobody_up():
    bell = Bell(is_open=False)
    doorbell = Doorbell(bell.ring)
    doorbell.press()
    bell.wait_for(1)
    for _ in range(10_000):
        doorbell.press()
    assert (bell.rings, bell.returned) == (1, 0), "the first ring still hangs"
    bell.gate.set()


def test_an_outage_is_told_once_and_so_is_its_end(caplog):
    caplog.set_level(logging.INFO, "webhooks.receiver.notifier")
    bell = Bell()
    bell.is_broken = True
    doorbell = Doorbell(bell.ring, min_gap_seconds=0)
    for rings in (1, 2, 3):
        doorbell.press()
        bell.wait_for(rings)
    wait_for(lambda: bell.returned == 3)
    bell.is_broken = False
    doorbell.press()
    wait_for(lambda: events_of(caplog) == ["doorbell_failed", "doorbell_back"])
    doorbell.press()
    bell.wait_for(5)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "secret" not in caplog.text


def test_no_thread_starts_before_the_first_press():
    assert not Doorbell(Bell().ring)._buttons


def test_a_forked_child_rings_by_itself():
    bell = Bell()
    doorbell = Doorbell(bell.ring)
    doorbell.press()
    bell.wait_for(1)
    child = os.fork()
    if child == 0:
        threading.Timer(PATIENCE_SECONDS, os._exit, (1,)).start()
        bell.rang = threading.Condition()
        doorbell.press()
        bell.wait_for(2)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert bell.rings == 1
