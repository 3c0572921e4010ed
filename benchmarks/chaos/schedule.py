"""The seeded schedule: which faults come when, one or two at a time, each kind once before any comes again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from benchmarks.chaos.faults import FAULTS, Fault

# How often a second fault meets the first.
_TOGETHER_PROBABILITY = 0.4
_PAUSE_SECONDS = (0.5, 2.0)


def plan_rounds(random_: random.Random, faults: Sequence[Fault] = FAULTS) -> Iterator[tuple[float, tuple[Fault, ...]]]:
    """Yield (pause in seconds, faults that come at once) for ever; the same seed gives the same rounds."""
    bag: list[Fault] = []

    def draw(may: Callable[[Fault], bool]) -> Fault | None:
        if not bag:
            bag.extend(random_.sample(list(faults), len(faults)))
        for fault in bag:
            if may(fault):
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
