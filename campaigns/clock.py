"""The clock for durations and deadlines within one process. Changes of the wall clock do not affect this clock."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Return seconds on the monotonic clock. With CLOCK_BOOTTIME this clock also runs while the machine sleeps."""
    return time.clock_gettime(_CLOCK)
