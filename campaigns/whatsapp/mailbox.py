"""What is handed to the transport, what comes back, and where it is found."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from campaigns.domain.verdict import Unknown, Verdict


class Permit(Protocol):
    """The right to send: nothing leaves after `deadline`, on `clock`."""

    deadline: float


@dataclass(slots=True, eq=False)
class Request:
    """One POST. `key` is the caller's own; the permit is asked at the moment of departure, not before."""

    key: object
    url: str
    headers: list[str]
    body: bytes
    permit: Permit


_NOT_READ = Unknown("nobody has read the reply")


@dataclass(slots=True)
class Reply:
    """The result of a request. `error` is "" if an HTTP reply was read to its end.

    `has_left` False: not one byte of the request left our side, in no attempt. `seconds` is the time it took.
    `verdict` is set once the transport has decided whether the reply belongs to this request.
    """

    request: Request
    has_left: bool
    error: str
    http_status: int = 0
    content_type: str = ""
    body: bytes = b""
    seconds: float = 0.0
    was_held_back: bool = False
    verdict: Verdict = _NOT_READ


class Mailbox:
    """Where one slice finds its replies. The slice sleeps until there are enough of them, or the first has waited."""

    def __init__(self) -> None:
        self._replies: deque[Reply] = deque()
        self._arrived = threading.Condition(threading.Lock())
        self._enough = 1
        self._is_woken = False

    def put(self, replies: Iterable[Reply]) -> None:
        with self._arrived:
            was_empty = not self._replies
            self._replies.extend(replies)
            if was_empty or len(self._replies) >= self._enough:
                self._arrived.notify()

    def wake(self) -> None:
        """End the wait of the slice: something changed that is not a reply."""
        with self._arrived:
            self._is_woken = True
            self._arrived.notify()

    def collect(self, *, timeout: float, enough: int, linger: float) -> list[Reply]:
        """Return what there is: after `timeout`, or `linger` after the first, or once there are `enough` of them."""
        end = time.monotonic() + max(timeout, 0.0)
        with self._arrived:
            self._enough = 1
            while not self._replies and not self._is_woken and (left := end - time.monotonic()) > 0:
                self._arrived.wait(left)
            end = time.monotonic() + linger
            self._enough = enough
            while 0 < len(self._replies) < enough and not self._is_woken and (left := end - time.monotonic()) > 0:
                self._arrived.wait(left)
            self._is_woken = False
            replies = list(self._replies)
            self._replies.clear()
        return replies
