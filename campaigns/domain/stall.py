"""Whether a worker still takes tasks: what was put into a queue of its own must be taken while a slot is free."""

from __future__ import annotations

from dataclasses import dataclass

# Looks without a task, one after the other, until a worker is told of, and until it is ended. Looks and not seconds: a
# process that was frozen looks once when it thaws.
TELL_AT = 4
END_AT = 8
# A worker that reports nothing for as long as that is gone.
SILENT_LOOKS = 4


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen since the look before. `has_probe`: the broker had taken a task for this worker's own queue."""

    has_consumed: bool
    is_full: bool
    has_probe: bool


def count_misses(misses: int, look: Look) -> int:
    """Return how many looks in a row found a worker that could have taken a task and did not.

    A worker without a free slot takes none, and while the broker takes none nobody can: neither is a miss.
    """
    return 0 if look.has_consumed or look.is_full or not look.has_probe else misses + 1
