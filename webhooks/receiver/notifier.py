"""Notifies workers of stored webhooks in a separate thread, so that a broker that hangs delays no answer to Meta."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from campaigns.valkey import describe

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class _Sender:
    """The thread of one process. Threads and held locks do not survive a fork, so a child starts a new thread."""

    starting: threading.Lock = field(default_factory=threading.Lock)
    requested: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class Notifier:
    """Calls `enqueue` in a separate thread, at most once per `min_gap_seconds`.

    The first call of `notify` enqueues at once. Under load one task applies many bodies, with few statements. A failed
    call of `enqueue` is not repeated. The next `notify` enqueues again, and beat regularly enqueues a task for bodies
    that are left over.
    """

    def __init__(self, enqueue: Callable[[], None], *, min_gap_seconds: float = 0.25) -> None:
        self._enqueue = enqueue
        self._min_gap_seconds = min_gap_seconds
        self._senders: dict[int, _Sender] = {}  # by process id

    def notify(self) -> None:
        """Request a task and return at once. Never raises."""
        sender = self._senders.get(os.getpid()) or self._senders.setdefault(os.getpid(), _Sender())
        if sender.thread is not None and sender.requested.is_set():  # a call follows that has not begun yet
            return
        sender.requested.set()
        with sender.starting:
            if sender.thread is not None:
                return
            sender.thread = threading.Thread(target=self._run, args=(sender,), name="notifier", daemon=True)
            try:
                sender.thread.start()
            except RuntimeError:  # no more threads, or the interpreter is shutting down; the next call tries again
                sender.thread = None

    def _run(self, sender: _Sender) -> None:
        try:
            self._send(sender)
        finally:
            sender.thread = None  # the next call starts another

    def _send(self, sender: _Sender) -> None:
        is_down = False
        while True:
            sender.requested.wait()
            sender.requested.clear()  # before the call, so that a `notify` during the call enqueues once more
            try:
                self._enqueue()
            except Exception as error:  # noqa: BLE001 - no error of the broker's client may end this thread
                if not is_down:
                    log.warning(
                        "The broker takes no task (%s); until it does, the tick applies webhooks",
                        describe(error),
                        extra={"event": "doorbell_failed"},
                    )
                is_down = True
            else:
                if is_down:
                    log.info("The broker takes tasks again", extra={"event": "doorbell_back"})
                is_down = False
            time.sleep(self._min_gap_seconds)
