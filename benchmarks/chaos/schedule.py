"""The seeded schedule of faults: one or two at a time. Each kind comes once before any kind comes again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.chaos.faults import FAULTS, Fault

# The probability that two faults are injected together.
_TOGETHER_PROBABILITY = 0.4
_PAUSE_SECONDS = (0.5, 2.0)


def plan_rounds(random_: random.Random, faults: Sequence[Fault] = FAULTS) -> Iterator[tuple[float, tuple[Fault, ...]]]:
    """Yield endless rounds: (pause in seconds, faults that are injected together). Equal seeds give equal rounds."""
    bag: list[Fault] = []

    def draw(is_allowed: Callable[[Fault], bool]) -> Fault | None:
        if not bag:
            bag.extend(random_.sample(list(faults), len(faults)))
        for fault in bag:
            if is_allowed(fault):
                bag.remove(fault)
                return fault
        return None

    while True:
        first = draw(lambda _: True)
        assert first is not None
        second = None
        if random_.random() < _TOGETHER_PROBABILITY:
            second = draw(
                lambda fault, first=first: fault is not first and (not fault.touches or fault.touches != first.touches)
            )
        yield random_.uniform(*_PAUSE_SECONDS), tuple(fault for fault in (first, second) if fault is not None)
