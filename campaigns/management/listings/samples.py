"""Reads the samples of a campaign in intervals that fit a chart."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from campaigns.store.database import Connection, Database
from campaigns.store.history.samples import CampaignSample, find_campaign_span, list_campaign_samples

MAX_SAMPLES = 60
_DAY = 86_400
# The lengths of an interval, in seconds. Each is a multiple of the one before, so that intervals begin at whole hours.
_STEPS = (60, 300, 900, 3600, 6 * 3600, _DAY, 7 * _DAY, 28 * _DAY)


@dataclass(frozen=True, slots=True)
class Timeline:
    """The samples of a campaign, the oldest first, each of an interval of `seconds`. Perhaps there are none."""

    samples: Sequence[CampaignSample]
    seconds: int


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
