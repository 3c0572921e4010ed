"""Turns numbers into the bars of a chart. A template draws the bars as SVG, and shows the numbers as a table, too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

HEIGHT = 100
_SHARE = 0.8  # the width of a bar, as a part of the width of an interval
_NICE = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class BarChart:
    """`bars` lie in a box of `width` (one per interval) and HEIGHT. `top`: the value at the upper edge of the box."""

    bars: Sequence[Bar]
    width: int
    top: float


def draw_bars(values: Sequence[tuple[int, float | None]]) -> BarChart:
    """Return a chart of pairs (number of an interval, value). A value of None or 0 has no bar."""
    first = min(place for place, _ in values)
    width = max(place for place, _ in values) - first + 1
    top = find_top(max((value or 0.0) for _, value in values))
    bars = [
        Bar(round(place - first + (1 - _SHARE) / 2, 2), round(HEIGHT - height, 2), _SHARE, round(height, 2))
        for place, value in values
        if value is not None and (height := HEIGHT * value / top) > 0
    ]
    return BarChart(bars, width, top)


@dataclass(frozen=True, slots=True)
class StackedChart:
    """Bars above each other, as in `BarChart`. `layers`: the bars of each series, the lowest series first."""

    layers: Sequence[Sequence[Bar]]
    width: int
    top: float


def stack_bars(series: Sequence[Sequence[float | None]], *, top: float | None = None) -> StackedChart:
    """Return a chart of series, each with one value per interval. A value of None or 0 has no bar.

    `top`: the value at the upper edge of the box; None: the next round number.
    """
    heights = [sum(value or 0.0 for value in values) for values in zip(*series, strict=True)]
    top = find_top(max(heights)) if top is None else top
    below = [0.0] * len(heights)
    layers = []
    for values in series:
        bars = []
        for place, value in enumerate(values):
            if value:
                height = HEIGHT * value / top
                y = HEIGHT - below[place] - height
                bars.append(Bar(round(place + (1 - _SHARE) / 2, 2), round(y, 2), _SHARE, round(height, 2)))
                below[place] += height
        layers.append(bars)
    return StackedChart(layers, len(heights), top)


def find_top(value: float) -> float:
    """Return the value at the upper edge: the smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is at least `value`."""
    if value <= 0:
        return 1.0
    unit: float = 10.0 ** math.floor(math.log10(value))
    return next(unit * each for each in _NICE if unit * each >= value * (1 - 1e-9))
