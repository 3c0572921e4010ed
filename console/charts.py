"""Turns numbers into charts. A template draws a chart as SVG, and shows its numbers as a table, too."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# The box of a chart. A template stretches it to the width of the page.
WIDTH, HEIGHT = 600, 100
_SHARE = 0.8  # the width of a bar, as a part of the width of an interval
_FEWEST = 8  # a chart of fewer intervals has free space at its end, so that a bar is never as wide as the chart
_NICE = (1, 2, 5, 10)


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Drawing:
    """Bars above each other, in a box of WIDTH and HEIGHT, one stack per interval.

    `layers`: the bars of each series, the lowest series first. `gaps`: the intervals without numbers. `count`: how many
    intervals are as wide as the box. `top`: the value at the upper edge of the box.
    """

    layers: Sequence[Sequence[Bar]]
    gaps: Sequence[Bar]
    count: int
    top: float


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour, one per interval. A value of None or 0 has no bar.

    `name`: the class of the colour. `total`: a number for the legend; "" for none. `pattern`: the pattern above the
    colour, for readers who see no colours; "" for none.
    """

    name: str
    label: str
    values: Sequence[float | None]
    total: str = ""
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """An event in a chart. `x`: its place in the box."""

    x: float
    label: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its words.

    `summary`: what it shows, for people who do not see it. `top`: the words at the upper edge; "" for a chart without a
    scale. `columns` and `cells`: the words of the table. `times`: the beginning of the interval of each row of `cells`.
    """

    name: str
    title: str
    summary: str
    series: Sequence[Series]
    drawing: Drawing
    top: str
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    times: Sequence[dt.datetime]
    start: dt.datetime
    end: dt.datetime
    marks: Sequence[Mark] = ()


def draw(
    series: Sequence[Sequence[float | None]], *, known: Sequence[bool] | None = None, top: float | None = None
) -> Drawing:
    """Return a drawing of series, each with one value per interval. A value of None or 0 has no bar.

    `known`: whether an interval has numbers; None: all have. `top`: the value at the upper edge; None: the next round
    number.
    """
    heights = [sum(value or 0.0 for value in values) for values in zip(*series, strict=True)]
    top = find_top(max(heights)) if top is None else top
    count = max(len(heights), _FEWEST)
    unit, below, layers = WIDTH / count, [0.0] * len(heights), []
    for values in series:
        bars = []
        for place, value in enumerate(values):
            if value:
                height = HEIGHT * value / top
                x, y = (place + (1 - _SHARE) / 2) * unit, HEIGHT - below[place] - height
                bars.append(Bar(round(x, 2), round(y, 2), round(_SHARE * unit, 2), round(height, 2)))
                below[place] += height
        layers.append(bars)
    gaps = [
        Bar(round(place * unit, 2), 0, round(unit, 2), HEIGHT)
        for place, is_known in enumerate(known or ())
        if not is_known
    ]
    return Drawing(layers, gaps, count, top)


def outline(bars: Iterable[Bar]) -> str:
    """Return the edges of bars as the path of one SVG element."""
    return " ".join(f"M{bar.x} {bar.y}h{bar.width}v{bar.height}h{-bar.width}z" for bar in bars)


def find_top(value: float) -> float:
    """Return the value at the upper edge: the smallest of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, … that is at least `value`."""
    if value <= 0:
        return 1.0
    unit: float = 10.0 ** math.floor(math.log10(value))
    return next(unit * each for each in _NICE if unit * each >= value * (1 - 1e-9))
