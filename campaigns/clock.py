"""The clock of this machine for durations and deadlines: no change of the wall clock moves it."""

from __future__ import annotations

import time

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Return seconds on a clock that runs through a freeze of the machine, where the system has one."""
    return time.clock_gettime(_CLOCK)
