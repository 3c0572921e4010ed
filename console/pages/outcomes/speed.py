"""How fast a campaign went, as a chart."""

from __future__ import annotations

import datetime as dt

from campaigns.domain.message import ACCEPTED, Status
from campaigns.management.listings.samples import Timeline
from console.charts import Chart, Series, draw
from console.texts import _, number


def draw_speed(timeline: Timeline) -> Chart | None:
    """Return the messages per second of a campaign over time; None if there is no sample yet."""
    samples, seconds = timeline.samples, timeline.seconds
    if not samples:
        return None
    first = samples[0].at
    count = round((samples[-1].at - first).total_seconds() / seconds) + 1
    values: list[float | None] = [None] * count
    for each in samples:
        values[round((each.at - first).total_seconds() / seconds)] = each.rate
    drawing = draw([values], known=[each is not None for each in values])
    fastest = max((each.rate or 0.0) for each in samples)
    return Chart(
        "speed",
        _("Messages per second over time"),
        _("At most %(rate)s messages per second.", rate=number(round(fastest, 1))),
        [Series("part-delivered", _("Per second"), values)],
        drawing,
        number(drawing.top),
        [_("Per second"), _("Sent"), _("Failed"), _("In our queue")],
        [
            [
                _("not known") if each.rate is None else number(round(each.rate, 1)),
                number(sum(each.counts.get(status, 0) for status in ACCEPTED)),
                number(each.counts.get(Status.FAILED, 0)),
                number(each.counts.get(Status.PENDING, 0)),
            ]
            for each in samples
        ],
        [each.at for each in samples],
        first,
        first + dt.timedelta(seconds=drawing.count * seconds),
    )
