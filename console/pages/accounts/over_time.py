"""The replies, receipts, rate and quality of an account over time, as charts and as tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from campaigns.domain.verdict import FAULTS, Blame
from campaigns.management.listings.samples import AccountTimeline, Span
from campaigns.store.accounts import AccountEvent, AccountListing
from campaigns.store.history.receipts import AccountReceipts
from campaigns.store.history.samples import AccountSample
from console.charts import WIDTH, Chart, Mark, Series, draw
from console.pages.accounts.events import is_bad
from console.texts import _, event_word, fault_words, interval_words, number, percent, plural, quality_word

# The parts of the box that a quality fills, so that a reader who sees no colours can tell them apart.
_LEVELS = {"GREEN": 3.0, "YELLOW": 2.0, "RED": 1.0}
# The pattern above each colour.
_PATTERNS = {
    "account": "",
    "template": "rising",
    "recipient": "falling",
    "us": "dots",
    "meta": "level",
    "unknown": "upright",
    "GREEN": "",
    "YELLOW": "rising",
    "RED": "dots",
}
_FAULTS = tuple(dict.fromkeys(FAULTS[each] for each in Blame if each is not Blame.THROTTLE))


@dataclass(frozen=True, slots=True)
class OverTime:
    """The charts of one time. `interval`: the length of most intervals in words.

    Intervals without a sample are gaps of the charts, and are not in the tables.
    """

    charts: Sequence[Chart]
    interval: str


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
    charts = [
        _draw_accepted(samples, known, interval_words(timeline.seconds)),
        _draw_failed(samples, known),
        _draw_throttled(samples, known),
        _draw_receipts(timeline.receipts, timeline.receipt_seconds),
        _draw_rate(samples, known, account),
        _draw_quality(samples, known),
    ]
    return OverTime([_mark(each, timeline.events) for each in charts], interval_words(timeline.seconds))


def _mark(chart: Chart, events: Sequence[AccountEvent]) -> Chart:
    """Return a chart with the events of its time."""
    length = chart.end - chart.start
    marks = [
        Mark(round(WIDTH * (each.at - chart.start) / length, 2), event_word(each.kind), is_bad(each))
        for each in events
        if chart.start <= each.at
    ]
    return replace(chart, marks=marks)


def _make(  # noqa: PLR0917  the parts of a chart
    name: str,
    title: str,
    summary: str,
    series: Sequence[Series],
    columns: Sequence[str],
    cells: Sequence[Sequence[str]],
    *,
    samples: Sequence[AccountSample],
    top: float | None = None,
) -> Chart:
    """Return a chart of samples. `cells`: those of the samples that are known. `top`: without a scale, its value."""
    known = [each.is_known for each in samples]
    drawing = draw([each.values for each in series] or [[None] * len(samples)], known=known, top=top)
    times = [each.at for each in samples if each.is_known]
    end = samples[-1].at + (samples[-1].at - samples[-2].at)
    scale = number(drawing.top) if top is None else ""
    return Chart(name, title, summary, series, drawing, scale, columns, cells, times, samples[0].at, end)


def _draw_accepted(samples: Sequence[AccountSample], known: Sequence[AccountSample], interval: str) -> Chart:
    total = sum(each.accepted for each in known)
    most = max(each.accepted for each in known)
    return _make(
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
        samples=samples,
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
            _PATTERNS[fault],
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
    return _make(
        "failed",
        _("Failed, by who is at fault"),
        summary,
        series,
        [fault_words(fault) for fault in shown] or [_("Failed")],
        [[number(_count_failed(each, fault)) for fault in shown] or [number(0)] for each in known],
        samples=samples,
    )


def _count_failed(sample: AccountSample, fault: str) -> int:
    return sum(count for blame, count in sample.failed.items() if FAULTS[Blame(blame)] == fault)


def _draw_throttled(samples: Sequence[AccountSample], known: Sequence[AccountSample]) -> Chart:
    values = [each.throttled for each in samples]
    return _make(
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
        samples=samples,
    )


def _draw_receipts(receipts: Sequence[AccountReceipts], seconds: int) -> Chart:
    accepted = sum(each.accepted for each in receipts)
    delivered, read = sum(each.delivered for each in receipts), sum(each.read for each in receipts)
    if accepted:
        summary = plural(
            "Of %(count)s message that was accepted at least an hour ago, %(delivered)s arrived and %(read)s was read.",
            "Of %(count)s messages that were accepted at least an hour ago, %(delivered)s arrived and %(read)s were"
            " read.",
            accepted,
            delivered=percent(delivered, accepted),
            read=percent(read, accepted),
        )
    else:
        summary = _("No message of this time is counted yet. Messages are counted an hour after they were accepted.")
    known = [each for each in receipts if each.accepted]
    shares = [
        ("part-read", _("read"), [_divide(each.read, each.accepted) for each in receipts], ""),
        (
            "part-delivered",
            _("delivered, not read"),
            [_divide(each.delivered - each.read, each.accepted) for each in receipts],
            "rising",
        ),
    ]
    series = [Series(name, label, values, pattern=pattern) for name, label, values, pattern in shares]
    return Chart(
        "receipts",
        _("Share that arrived and was read, by the time of sending"),
        summary,
        series,
        draw([each.values for each in series], known=[each.accepted > 0 for each in receipts], top=1.0),
        percent(1, 1),
        [_("Accepted"), _("delivered"), _("read")],
        [
            [number(each.accepted), percent(each.delivered, each.accepted), percent(each.read, each.accepted)]
            for each in known
        ],
        [each.at for each in known],
        receipts[0].at,
        receipts[-1].at + dt.timedelta(seconds=seconds),
    )


def _divide(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _draw_rate(samples: Sequence[AccountSample], known: Sequence[AccountSample], account: AccountListing) -> Chart:
    values = [each.rate for each in samples]
    rates = [each for each in values if each is not None]
    configured = number(account.messages_per_second)
    if rates:
        summary = _(
            "The lowest rate that was allowed: %(rate)s per second. Configured now: %(configured)s.",
            rate=number(round(min(rates), 1)),
            configured=configured,
        )
    else:
        summary = _(
            "The rate of this time is not known. Configured now: %(configured)s per second.",
            configured=configured,
        )
    return _make(
        "rate",
        _("Messages per second that were allowed, at the lowest"),
        summary,
        [Series("part-sending", _("allowed"), values)],
        [_("Per second")],
        [[_("not known") if each.rate is None else number(round(each.rate, 1))] for each in known],
        samples=samples,
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
            pattern=_PATTERNS[quality],
        )
        for quality in shown
    ]
    last = quality_word(named[-1]) if named else _("not known")
    return _make(
        "quality",
        _("Quality"),
        _("The last quality of this time: %(quality)s.", quality=last),
        series,
        [_("Quality")],
        [[quality_word(each.quality) if each.quality else _("not known")] for each in known],
        samples=samples,
        top=max(_LEVELS.values()),
    )
