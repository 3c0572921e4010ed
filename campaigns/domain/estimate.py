"""How long a campaign will take, before it starts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

# Beyond this nobody plans.
_LONGEST = dt.timedelta(days=3650)

# From a time on: when sending is next possible, and until when (None: without an end).
Opening = Callable[[dt.datetime], tuple[dt.datetime, dt.datetime | None]]


def estimate_seconds(
    count: int, *, rate: float, interval_seconds: float = 0.0, pause_after: int = 0, pause_seconds: float = 0.0
) -> float:
    """Return how long `count` messages take while sending is possible; `rate`: messages/s of all accounts."""
    if count <= 1:
        return 0.0
    step = max(interval_seconds, 1 / rate)
    pauses = (count - 1) // pause_after if pause_after else 0
    return (count - 1 - pauses) * step + pauses * max(pause_seconds, step)


def estimate_end(start: dt.datetime, seconds: float, opening: Opening) -> dt.datetime | None:
    """Return when `seconds` of sending from `start` on are over, None when that is more than ten years away."""
    at, left = start, dt.timedelta(seconds=seconds)
    while at - start < _LONGEST:
        begins, ends = opening(at)
        if ends is None or begins + left <= ends:
            return begins + left
        left -= ends - begins
        at = ends
    return None
