"""The replies, the rate and the quality of an account over time, as charts and as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.domain.verdict import FAULTS, Blame
from campaigns.management.listings.samples import AccountTimeline, Span
from campaigns.store.accounts import AccountListing
from campaigns.store.history.samples import AccountSample
from console.charts import StackedChart, stack_bars
from console.pages.accounts.events import is_bad
from console.texts import _, event_word, fault_words, interval_words, number, plural, quality_word

# The parts of the box that a quality fills, so that a reader who sees no colours can tell them apart.
_LEVELS = {"GREEN": 3.0, "YELLOW": 2.0, "RED": 1.0}
_FAULTS = tuple(dict.fromkeys(FAULTS[each] for each in Blame if each is not Blame.THROTTLE))


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one colour. `name`: the class of the colour. `total`: a number for the legend; "" for none."""

    name: str
    label: str
    values: Sequence[float | None]
    total: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its words. `cells`: the words of the table, by interval and column. `has_top`: it has a scale."""

    name: str
    title: str
    summary: str
    series: Sequence[Series]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]
    drawing: StackedChart
    has_top: bool = True


@dataclass(frozen=True, slots=True)
class Mark:
    """An event in the charts. `place`: in intervals from the left edge."""

    place: float
    label: str
    is_bad: bool


@dataclass(frozen=True, slots=True)
class OverTime:
    """The charts of one time. `times`: the beginnings of the intervals of the tables. `interval`: its length in words.

    Intervals without a sample are in the charts, but not in the tables.
    """

    charts: Sequence[Chart]
    marks: Sequence[Mark]
    times: Sequence[dt.datetime]
    interval: str
    start: dt.datetime
    end: dt.datetime


def list_spans() -> list[tuple[Span, str]]:
    return [
        (Span.DAY, _("24 hours")),
        (Span.WEEK, _("7 days")),
        (Span.MONTH, _("30 days")),
        (Span.YEAR, _("1 year")),
    ]


def draw_account(timeline: AccountTimeline, account: AccountListing) -> OverTime | None:
    """Return the charts of an account; None if there is no sample in this time."""
    samples = timeline.samples
    known = [each for each in samples if each.is_known]
    if not known:
        return None
    start, seconds = samples[0].at, timeline.seconds
    marks = [
        Mark(round((each.at - start).total_seconds() / seconds, 3), event_word(each.kind), is_bad(each))
        for each in timeline.events
    ]
    charts = [
        _draw_accepted(samples, known, interval_words(seconds)),
        _draw_failed(samples, known),
        _draw_throttled(samples, known),
        _draw_rate(samples, known, account),
        _draw_quality(samples, known),
    ]
    end = samples[-1].at + dt.timedelta(seconds=seconds)
    return OverTime(charts, marks, [each.at for each in known], interval_words(seconds), start, end)


def _draw_accepted(samples: Sequence[AccountSample], known: Sequence[AccountSample], interval: str) -> Chart:
    total = sum(each.accepted for each in known)
    most = max(each.accepted for each in known)
    return Chart(
        "accepted",
        _("Accepted by WhatsApp"),
        plural(
            "%(count)s message was accepted, at most %(most)s in %(interval)s.",
            "%(count)s messages were accepted, at most %(most)s in %(interval)s.",
            total,
            most=number(most),
            interval=interval,
        ),
        [Series("part-delivered", _("accepted"), [each.accepted for each in samples])],
        [_("Accepted"), _("Uncertain")],
        [[number(each.accepted), number(each.uncertain)] for each in known],
        stack_bars([[each.accepted for each in samples]]),
    )


def _draw_failed(samples: Sequence[AccountSample], known: Sequence[AccountSample]) -> Chart:
    totals = {fault: sum(_count_failed(each, fault) for each in known) for fault in _FAULTS}
    shown = [fault for fault in _FAULTS if totals[fault]]
    series = [
        Series(
            f"fault-{fault}",
            fault_words(fault),
            [_count_failed(each, fault) for each in samples],
            number(totals[fault]),
        )
        for fault in shown
    ]
    total = sum(totals.values())
    worst = max(totals, key=lambda fault: totals[fault])
    summary = plural("%(count)s message failed.", "%(count)s messages failed.", total)
    if total:
        summary += " " + _(
            "Most often at fault: %(fault)s, %(count)s.", fault=fault_words(worst), count=number(totals[worst])
        )
    return Chart(
        "failed",
        _("Failed, by who is at fault"),
        summary,
        series,
        [fault_words(fault) for fault in shown] or [_("Failed")],
        [[number(_count_failed(each, fault)) for fault in shown] or [number(0)] for each in known],
        stack_bars([each.values for each in series] or [[None] * len(samples)]),
    )


def _count_failed(sample: AccountSample, fault: str) -> int:
    return sum(count for blame, count in sample.failed.items() if FAULTS[Blame(blame)] == fault)


def _draw_throttled(samples: Sequence[AccountSample], known: Sequence[AccountSample]) -> Chart:
    values = [each.throttled for each in samples]
    return Chart(
        "throttled",
        _("Slowed down by WhatsApp's limits"),
        plural(
            "%(count)s message was refused for now because of a limit of WhatsApp.",
            "%(count)s messages were refused for now because of a limit of WhatsApp.",
            sum(values),
        ),
        [Series("part-uncertain", _("refused for now"), values)],
        [_("Refused for now")],
        [[number(each.throttled)] for each in known],
        stack_bars([values]),
    )


def _draw_rate(samples: Sequence[AccountSample], known: Sequence[AccountSample], account: AccountListing) -> Chart:
    values = [each.rate for each in samples]
    rates = [each for each in values if each is not None]
    configured = number(account.messages_per_second)
    if rates:
        summary = _(
            "At the lowest, %(rate)s messages per second were allowed. %(configured)s are configured now.",
            rate=number(round(min(rates), 1)),
            configured=configured,
        )
    else:
        summary = _(
            "The rate of this time is not known. %(configured)s messages per second are configured.",
            configured=configured,
        )
    return Chart(
        "rate",
        _("Messages per second that were allowed, at the lowest"),
        summary,
        [Series("part-sending", _("allowed"), values)],
        [_("Per second")],
        [[_("not known") if each.rate is None else number(round(each.rate, 1))] for each in known],
        stack_bars([values]),
    )


def _draw_quality(samples: Sequence[AccountSample], known: Sequence[AccountSample]) -> Chart:
    found = [each.quality for each in samples]
    named = [each for each in found if each]
    shown = [each for each in _LEVELS if each in named]
    series = [
        Series(
            f"quality-{quality.lower()}",
            quality_word(quality),
            [_LEVELS[quality] if each == quality else None for each in found],
        )
        for quality in shown
    ]
    last = quality_word(named[-1]) if named else _("not known")
    return Chart(
        "quality",
        _("Quality"),
        _("The last quality of this time: %(quality)s.", quality=last),
        series,
        [_("Quality")],
        [[quality_word(each.quality) if each.quality else _("not known")] for each in known],
        stack_bars([each.values for each in series] or [[None] * len(samples)], top=max(_LEVELS.values())),
        has_top=False,
    )
