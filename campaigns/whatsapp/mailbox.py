"""Requests to the transport, their replies, and the mailbox in which a slice waits for replies."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from campaigns.domain.verdict import Unknown, Verdict


class Permit(Protocol):
    """The right to send: no request leaves after `deadline`, a time of `clock()`."""

    deadline: float


@dataclass(slots=True, eq=False)
class Request:
    """One POST request. `key`: an object by which the caller finds the message; the transport does not read `key`.

    The transport checks `permit` just before the request leaves.
    """

    key: object
    url: str
    headers: list[str]
    body: bytes
    permit: Permit


_NOT_JUDGED = Unknown("the reply was not judged")


@dataclass(slots=True)
class Reply:
    """The result of a request. `error` is "" if an HTTP reply was read to its end.

    `has_left` False: no byte of the request has left this machine. `was_held_back`: the permit had ended, so the
    request did not leave. `seconds`: the duration of the request. `verdict` is set once the transport has decided
    whether the reply belongs to this request.
    """

    request: Request
    has_left: bool
    error: str
    http_status: int = 0
    content_type: str = ""
    body: bytes = b""
    seconds: float = 0.0
    was_held_back: bool = False
    verdict: Verdict = _NOT_JUDGED


class Mailbox:
    """The replies for one slice. The transport puts replies in, and the slice collects them in batches."""

    def __init__(self) -> None:
        self._replies: deque[Reply] = deque()
        self._arrived = threading.Condition(threading.Lock())
        self._awaited_count = 1
        self._is_woken = False

    def put(self, replies: Iterable[Reply]) -> None:
        with self._arrived:
            was_empty = not self._replies
            self._replies.extend(replies)
            if was_empty or len(self._replies) >= self._awaited_count:
                self._arrived.notify()

    def wake(self) -> None:
        """End the wait of the slice, because something other than a reply needs its attention."""
        with self._arrived:
            self._is_woken = True
            self._arrived.notify()

    def collect(self, *, timeout_seconds: float, linger_seconds: float, batch_count: int) -> list[Reply]:
        """Wait for replies and return them.

        Waits up to `timeout_seconds` for the first reply. Then waits up to `linger_seconds` until there are
        `batch_count` replies. `wake` ends both waits.
        """
        ends_at = time.monotonic() + max(timeout_seconds, 0.0)
        with self._arrived:
            self._awaited_count = 1
            while not self._replies and not self._is_woken and (left := ends_at - time.monotonic()) > 0:
                self._arrived.wait(left)
            ends_at = time.monotonic() + linger_seconds
            self._awaited_count = batch_count
            while (
                0 < len(self._replies) < batch_count and not self._is_woken and (left := ends_at - time.monotonic()) > 0
            ):
                self._arrived.wait(left)
            self._is_woken = False
            replies = list(self._replies)
            self._replies.clear()
        return replies
