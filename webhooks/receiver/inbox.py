"""Stores webhook bodies by group commit: many bodies in one insert. Each request waits until its own body is durable.

While the writer thread inserts one group, new bodies queue for the next group. After an insert the writer pauses for a
few milliseconds, so that under load the next group is larger and each body costs less.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


class InboxUnavailable(Exception):  # noqa: N818 - a condition that the caller answers, not a fault of the program
    """The body was not stored, or its insert did not end in time. Meta posts the webhook again."""


@dataclass(slots=True, eq=False)
class _QueuedBody:
    body: bytes
    # Locked until the insert has ended. A Lock costs a fraction of the CPU time of an Event.
    unsettled: threading.Lock = field(default_factory=threading.Lock)
    error: Exception | None = None
    is_abandoned: bool = False

    def __post_init__(self) -> None:
        self.unsettled.acquire()  # the writer releases it


@dataclass(slots=True, eq=False)
class _Queue:
    """The queue of one process. Threads and held locks do not survive a fork, so a child makes a new queue."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: deque[_QueuedBody] = field(default_factory=deque)
    writer: threading.Thread | None = None


class Inbox:
    """Passes bodies to `insert` in groups. `insert` stores all bodies of a call, or raises.

    Only the writer thread calls `insert`. `insert` must limit the time for its connection and for its statement.
    `max_waiting` limits the number of queued bodies; the group that is being inserted does not count. `pause_seconds`:
    the shortest time between the end of an insert and the next insert.
    """

    def __init__(
        self,
        insert: Callable[[Sequence[bytes]], None],
        *,
        wait_seconds: float = 5.0,
        max_group: int = 200,
        max_group_bytes: int = 8_000_000,
        max_waiting: int = 1_000,
        pause_seconds: float = 0.003,
    ) -> None:
        self._insert = insert
        self._wait_seconds = wait_seconds
        self._max_group = max_group
        self._max_group_bytes = max_group_bytes
        self._max_waiting = max_waiting
        self._pause_seconds = pause_seconds
        self._queues: dict[int, _Queue] = {}  # by process id

    def add(self, body: bytes) -> None:
        """Return once `body` is durable. Raises InboxUnavailable.

        After this error the body may be stored all the same, and may be stored again when Meta posts the webhook again.
        Applying a body a second time changes nothing.
        """
        queue = self._queues.get(os.getpid()) or self._queues.setdefault(os.getpid(), _Queue())
        entry = _QueuedBody(body)
        with queue.changed:
            if len(queue.waiting) >= self._max_waiting:
                raise InboxUnavailable("too many requests are waiting")
            if queue.writer is None:
                self._start_writer(queue)
            queue.waiting.append(entry)
            if len(queue.waiting) == 1:  # else the writer is busy, and checks the queue before it waits
                queue.changed.notify()
        if not entry.unsettled.acquire(timeout=self._wait_seconds):
            self._abandon(entry, queue)
        if entry.error is not None:
            raise InboxUnavailable("the insert failed") from entry.error

    def _start_writer(self, queue: _Queue) -> None:
        queue.writer = threading.Thread(target=self._write, args=(queue,), name="inbox-writer", daemon=True)
        try:
            queue.writer.start()
        except RuntimeError as error:  # no more threads, or the interpreter is shutting down
            queue.writer = None
            raise InboxUnavailable("the writer cannot start") from error

    @staticmethod
    def _abandon(entry: _QueuedBody, queue: _Queue) -> None:
        """Stop waiting for a body and raise InboxUnavailable, unless its insert has ended meanwhile."""
        with queue.changed:
            if not entry.unsettled.locked():
                return
            entry.is_abandoned = True
            if entry in queue.waiting:
                queue.waiting.remove(entry)
        raise InboxUnavailable("the wait limit has passed")

    def _write(self, queue: _Queue) -> None:
        try:
            self._write_groups(queue)
        finally:
            queue.writer = None  # the next request starts another

    def _write_groups(self, queue: _Queue) -> None:
        while True:
            group = self._take_group(queue)
            error = self._try_insert(group)
            if error is None or len(group) == 1:
                _settle(group, error)
                time.sleep(self._pause_seconds)
                continue
            log.warning(
                "Group of %d webhook bodies refused (%s), inserting singly",
                len(group),
                type(error).__name__,
                extra={"event": "inbox_group_failed"},
            )
            for entry in group:
                # During an outage each insert takes long. No request waits for an abandoned body, so skip that body.
                if not entry.is_abandoned:
                    _settle([entry], self._try_insert([entry]))

    def _take_group(self, queue: _Queue) -> list[_QueuedBody]:
        with queue.changed:
            while not queue.waiting:
                queue.changed.wait()
            group = [queue.waiting.popleft()]
            size = len(group[0].body)
            while queue.waiting and len(group) < self._max_group:
                size += len(queue.waiting[0].body)
                if size > self._max_group_bytes:
                    break
                group.append(queue.waiting.popleft())
            return group

    def _try_insert(self, group: Sequence[_QueuedBody]) -> Exception | None:
        try:
            self._insert([entry.body for entry in group])
        except Exception as error:  # noqa: BLE001 - the request raises it; the writer thread must not end
            return error
        return None


def _settle(group: Sequence[_QueuedBody], error: Exception | None) -> None:
    for entry in group:
        entry.error = error
        entry.unsettled.release()
