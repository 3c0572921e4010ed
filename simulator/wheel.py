"""A timer wheel: schedules calls with one timer of the event loop per millisecond instead of one per call."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

TICKS_PER_SECOND = 1000


class Wheel:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._buckets: dict[int, list[tuple[Callable[..., None], tuple[Any, ...]]]] = {}

    def schedule(self, delay_seconds: float, call: Callable[..., None], *args: Any) -> None:
        tick = math.ceil((self._loop.time() + delay_seconds) * TICKS_PER_SECOND)
        bucket = self._buckets.get(tick)
        if bucket is None:
            bucket = self._buckets[tick] = []
            self._loop.call_at(tick / TICKS_PER_SECOND, self._fire, tick)
        bucket.append((call, args))

    def flush(self) -> int:
        """Make all scheduled calls now, in their order; return how many."""
        count = len(self)
        for tick in sorted(self._buckets):
            self._fire(tick)
        return count

    def clear(self) -> None:
        self._buckets.clear()

    def __len__(self) -> int:
        return sum(map(len, self._buckets.values()))

    def _fire(self, tick: int) -> None:
        for call, args in self._buckets.pop(tick, ()):
            call(*args)
