"""Reads the samples of a campaign, or of an account, in intervals that fit a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from campaigns.store.accounts import AccountEvent, list_account_events
from campaigns.store.database import Connection, Database
from campaigns.store.history.receipts import AccountReceipts, list_account_receipts
from campaigns.store.history.samples import (
    AccountSample,
    CampaignSample,
    find_campaign_span,
    list_account_samples,
    list_campaign_samples,
)

MAX_SAMPLES = 60
_HOUR, _DAY = 3600, 86_400
# The lengths of an interval, in seconds. Each is a multiple of the one before, so that intervals begin at whole hours.
_STEPS = (60, 300, 900, _HOUR, 6 * _HOUR, _DAY, 7 * _DAY, 28 * _DAY)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The samples of a campaign, the oldest first, each of an interval of `seconds`. Perhaps there are none."""

    samples: Sequence[CampaignSample]
    seconds: int


class Span(StrEnum):
    """The time that the charts of an account show, until now."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def interval(self) -> tuple[int, int]:
        """The seconds of an interval, and the number of intervals."""
        return _INTERVALS[self]


# The intervals are at least as long as the samples of this age, and begin at whole hours or days.
_INTERVALS = {
    Span.DAY: (1800, 48),
    Span.WEEK: (3 * 3600, 56),
    Span.MONTH: (12 * 3600, 60),
    Span.YEAR: (7 * _DAY, 53),
}
_MAX_EVENTS = 200


@dataclass(frozen=True, slots=True)
class AccountTimeline:
    """The samples of an account, the oldest first, each of an interval of `seconds`.

    `receipts`: how many messages of each interval of `receipt_seconds` arrived. `events`: those of the same time, the
    newest first; of more than 200 the newest 200.
    """

    samples: Sequence[AccountSample]
    seconds: int
    receipts: Sequence[AccountReceipts]
    receipt_seconds: int
    events: Sequence[AccountEvent]


def choose_step(start: dt.datetime, end: dt.datetime) -> int:
    """Return the shortest interval that divides a time into at most MAX_SAMPLES parts."""
    span = (end - start).total_seconds()
    return next((each for each in _STEPS if span < each * (MAX_SAMPLES - 1)), _STEPS[-1])


def show_timeline(database: Database, campaign_id: int) -> Timeline:
    """Return the samples of a campaign over time. A campaign that ran for less than a minute may have no samples."""

    def work(connection: Connection) -> Timeline:
        span = find_campaign_span(connection, campaign_id)
        if span is None:
            return Timeline((), _STEPS[0])
        seconds = choose_step(*span)
        return Timeline(list_campaign_samples(connection, campaign_id, seconds=seconds), seconds)

    return database.run(work)


def show_account_timeline(database: Database, account_id: int, span: Span) -> AccountTimeline:
    """Return the samples and the events of an account in a time until now."""
    seconds, count = span.interval
    receipt_seconds = max(seconds, _HOUR)  # receipts are counted by the hour

    def work(connection: Connection) -> AccountTimeline:
        samples = list_account_samples(connection, account_id, seconds=seconds, count=count)
        parameters = {"seconds": receipt_seconds, "count": seconds * count // receipt_seconds}
        receipts = list_account_receipts(connection, account_id, **parameters)
        events = list_account_events(connection, account_id, limit=_MAX_EVENTS, since=samples[0].at)
        return AccountTimeline(samples, seconds, receipts, receipt_seconds, events)

    return database.run(work)
