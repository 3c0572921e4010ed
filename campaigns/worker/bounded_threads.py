"""Makes calls to Meta in a few threads, and refuses a call if too many calls wait for a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class BoundedThreads:
    """At most `thread_count` calls run at the same time, and at most `waiting_count` calls wait.

    A thread starts when a call needs it.
    """

    def __init__(self, name: str, *, thread_count: int, waiting_count: int) -> None:
        self._places = threading.BoundedSemaphore(thread_count + waiting_count)
        self._executor = ThreadPoolExecutor(thread_count, thread_name_prefix=name)

    def submit(self, call: Callable[..., object], *arguments: Any) -> bool:
        """Let a thread make the call; return False if too many calls wait already."""
        if not self._places.acquire(blocking=False):
            return False
        self._executor.submit(call, *arguments).add_done_callback(lambda _: self._places.release())
        return True

    def close(self, *, waits: bool = False) -> None:
        """Drop the calls that wait. `waits`: return only when the calls that run have ended."""
        self._executor.shutdown(wait=waits, cancel_futures=True)
