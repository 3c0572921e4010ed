"""Limits the requests of each token of the API. All processes share the count, which stands in Valkey.

While Valkey is away, each process counts for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from campaigns.clock import clock
from campaigns.valkey import ServerUnavailable, make_client

PER_MINUTE = 600
WINDOW_SECONDS = 60
_NAME = "requests"
_TIMEOUT_SECONDS = 0.5
# After an error, Valkey is left alone for this time, so that not each request waits for the timeout.
_REST_SECONDS = 5.0
_KEY = "revoada:{}:{}"


@dataclass(frozen=True, slots=True)
class Allowance:
    """`left`: the number of further requests in the present window, and -1 for a request above the limit.

    `reset_seconds`: the time until the window ends.
    """

    left: int
    reset_seconds: int

    @property
    def is_exceeded(self) -> bool:
        return self.left < 0


class RequestLimit:
    """Counts requests in windows of time. The window of a token begins with its first request.

    `url`: the address of Valkey; None: each process counts for itself. `name`: of what is counted. `most`: the requests
    in a window of `seconds`. `now`: a clock in seconds.
    """

    def __init__(
        self,
        url: str | None,
        *,
        name: str = _NAME,
        most: int = PER_MINUTE,
        seconds: int = WINDOW_SECONDS,
        now: Callable[[], float] = clock,
    ) -> None:
        self._name, self.most, self.seconds = name, most, seconds
        self._client = None if url is None else make_client(url, timeout_seconds=_TIMEOUT_SECONDS)
        self._now = now
        self._rests_until = 0.0
        self._windows: dict[int, tuple[float, int]] = {}  # by token: the end of the window, the count

    def count(self, token_id: int) -> Allowance:
        """Count a request of a token."""
        if self._client is not None and self._now() >= self._rests_until:
            try:
                return self._count_in_valkey(token_id)
            except ServerUnavailable:
                self._rests_until = self._now() + _REST_SECONDS
        return self._count_here(token_id)

    def _count_in_valkey(self, token_id: int) -> Allowance:
        assert self._client is not None
        key = _KEY.format(self._name, token_id)
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.set(key, 0, ex=self.seconds, nx=True)
            pipeline.incr(key)
            pipeline.ttl(key)
            _, count, seconds = pipeline.execute()
        return self._allow(count, seconds)

    def _count_here(self, token_id: int) -> Allowance:
        now = self._now()
        ends_at, count = self._windows.get(token_id, (0.0, 0))
        if ends_at <= now:
            self._windows = {each: window for each, window in self._windows.items() if window[0] > now}
            ends_at, count = now + self.seconds, 0
        self._windows[token_id] = ends_at, count + 1
        return self._allow(count + 1, int(ends_at - now))

    def _allow(self, count: int, seconds: int) -> Allowance:
        return Allowance(max(self.most - count, -1), max(seconds, 1))
