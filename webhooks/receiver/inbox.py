"""Moves bodies into the database, many in one insert, and tells each request when its own is durable.

While the writer inserts one group, the next gathers: nobody waits for a group to fill up.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

log = logging.getLogger(__name__)


class InboxUnavailable(Exception):  # noqa: N818 - a condition that the caller answers, not a fault of the program
    """The body was not stored, or not known to be stored in time. Meta sends it again."""


@dataclass(slots=True, eq=False)
class _Waiting:
    body: bytes
    # Held until the body is settled: a bare lock costs a request a fraction of what an Event does.
    unsettled: threading.Lock = field(default_factory=threading.Lock)
    error: Exception | None = None
    is_abandoned: bool = False

    def __post_init__(self) -> None:
        self.unsettled.acquire()  # the writer releases it


@dataclass(slots=True, eq=False)
class _Queue:
    """What one process waits for. Threads and held locks do not survive a fork, so a child makes its own."""

    changed: threading.Condition = field(default_factory=threading.Condition)
    waiting: deque[_Waiting] = field(default_factory=deque)
    writer: threading.Thread | None = None


class Inbox:
    """Group commit. `insert` stores all the bodies it is given or raises; it is only called from the writer thread.

    A time limit within `insert` (connect and statement timeouts) is its own business. `max_waiting` bounds the
    requests in line, the group in the writer's hands not counted.
    """

    def __init__(
        self,
        insert: Callable[[Sequence[bytes]], None],
        *,
        wait_seconds: float = 5.0,
        max_group: int = 200,
        max_group_bytes: int = 8_000_000,
        max_waiting: int = 1_000,
    ) -> None:
        self._insert = insert
        self._wait_seconds = wait_seconds
        self._max_group = max_group
        self._max_group_bytes = max_group_bytes
        self._max_waiting = max_waiting
        self._queues: dict[int, _Queue] = {}  # by process id

    def add(self, body: bytes) -> None:
        """Return once `body` is durable. Raises InboxUnavailable.

        A body that was given up may still be stored: harmless, since evidence is idempotent.
        """
        queue = self._queues.get(os.getpid()) or self._queues.setdefault(os.getpid(), _Queue())
        entry = _Waiting(body)
        with queue.changed:
            if len(queue.waiting) >= self._max_waiting:
                raise InboxUnavailable("too many requests are waiting")
            self._ensure_writer(queue)
            queue.waiting.append(entry)
            if len(queue.waiting) == 1:  # else the writer is at work, and looks again before it waits
                queue.changed.notify()
        if not entry.unsettled.acquire(timeout=self._wait_seconds):
            self._abandon(entry, queue)
        if entry.error is not None:
            raise InboxUnavailable("the insert failed") from entry.error

    def _ensure_writer(self, queue: _Queue) -> None:
        if queue.writer is not None and queue.writer.is_alive():
            return
        queue.writer = threading.Thread(target=self._write, args=(queue,), name="inbox-writer", daemon=True)
        try:
            queue.writer.start()
        except RuntimeError as error:  # no more threads, or the interpreter is on its way out
            queue.writer = None
            raise InboxUnavailable("the writer cannot start") from error

    @staticmethod
    def _abandon(entry: _Waiting, queue: _Queue) -> None:
        """Give up on a body, unless it was settled in the last moment."""
        with queue.changed:
            if not entry.unsettled.locked():
                return
            entry.is_abandoned = True
            if entry in queue.waiting:
                queue.waiting.remove(entry)
        raise InboxUnavailable("the wait limit has passed")

    def _write(self, queue: _Queue) -> None:
        while True:
            group = self._take_group(queue)
            error = self._try_insert(group)
            if error is None or len(group) == 1:
                _settle(group, error)
                continue
            log.warning(
                "Group of %d webhook bodies refused (%s), inserting singly",
                len(group),
                type(error).__name__,
                extra={"event": "inbox_group_failed"},
            )
            for entry in group:
                # During an outage every try takes long; nobody waits any more for those that were given up.
                if not entry.is_abandoned:
                    _settle([entry], self._try_insert([entry]))

    def _take_group(self, queue: _Queue) -> list[_Waiting]:
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

    def _try_insert(self, group: Sequence[_Waiting]) -> Exception | None:
        try:
            self._insert([entry.body for entry in group])
        except Exception as error:  # noqa: BLE001 - each request answers for its own body; the writer lives on
            return error
        return None


def _settle(group: Sequence[_Waiting], error: Exception | None) -> None:
    for entry in group:
        entry.error = error
        entry.unsettled.release()
