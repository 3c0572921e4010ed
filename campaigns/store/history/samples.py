"""Numbers over time: the counters of running campaigns, and the replies, limits and quality of accounts.

Postgres's clock decides which minute a row belongs to.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from psycopg.rows import class_row

from campaigns.store.database import Connection, query

Step = Literal["minute", "hour", "day"]
# Rows of minutes become rows of hours after 48 hours, and rows of hours become rows of days after 90 days.
_CONDENSED: tuple[tuple[Step, Step, dt.timedelta], ...] = (
    ("minute", "hour", dt.timedelta(hours=48)),
    ("hour", "day", dt.timedelta(days=90)),
)


@dataclass(frozen=True, slots=True)
class CampaignSample:
    """The counters of a campaign by status, at the end of an interval that begins at `at`.

    `rate`: messages per second that were done in this interval; None if it is not known. `read_at`: when the counters
    were read.
    """

    at: dt.datetime
    read_at: dt.datetime
    counts: Mapping[str, int]
    rate: float | None


@dataclass(frozen=True, slots=True)
class AccountSample:
    """The replies to an account in an interval that begins at `at`.

    `failed`: refusals by blame, without those because of a limit, which `throttled` has. `rate`: the lowest limit in
    messages per second that the throttle allowed; `quality`: Meta's last word; None if it is not known. `is_known`
    False: the interval has no sample.
    """

    at: dt.datetime
    accepted: int
    throttled: int
    uncertain: int
    failed: Mapping[str, int]
    rate: float | None
    quality: str | None
    is_known: bool


def sample_campaigns(connection: Connection) -> None:
    """Write the counters of each running campaign, once a minute."""
    connection.execute(query("sample_campaigns"))


def sample_accounts(connection: Connection, rates: Mapping[int, float | None]) -> None:
    """Write the rate, as given by account, and the quality of each of these accounts."""
    parameters = {"account_ids": list(rates), "rates": list(rates.values())}
    connection.execute(query("sample_accounts"), parameters)


def list_rates(connection: Connection) -> dict[int, int]:
    """Return the configured messages per second by account."""
    return dict(connection.execute(query("list_rates")).fetchall())


def add_replies(connection: Connection, counts: Mapping[tuple[int, str], int]) -> None:
    """Add numbers of replies, and of failures that webhooks report later, by account and outcome.

    An outcome is `accepted`, `uncertain`, or the blame of a refusal (`domain/verdict.py`).
    """
    parameters = {
        "account_ids": [account_id for account_id, _ in counts],
        "outcomes": [outcome for _, outcome in counts],
        "counts": list(counts.values()),
    }
    connection.execute(query("add_replies"), parameters)


def condense_day(connection: Connection) -> int:
    """Replace the minutes of the oldest day by hours, and the hours of the oldest day by one row.

    Returns the number of rows that were written; 0 if no rows are old enough.
    """
    count = 0
    for before, after, age in _CONDENSED:
        parameters = {"from": before, "to": after, "older_than": age}
        for name in ("condense_campaign_samples", "condense_account_samples"):
            count += connection.execute(query(name), parameters).rowcount
    return count


def delete_old_samples(connection: Connection) -> int:
    """Delete days after two years; return their number."""
    row = connection.execute(query("delete_old_samples")).fetchone()
    assert row is not None
    return int(row[0])


def find_campaign_span(connection: Connection, campaign_id: int) -> tuple[dt.datetime, dt.datetime] | None:
    """Return the start of the first sample of a campaign and the time of the last one; None if there is no sample."""
    row = connection.execute(query("find_campaign_span"), {"campaign_id": campaign_id}).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def list_campaign_samples(connection: Connection, campaign_id: int, *, seconds: float) -> list[CampaignSample]:
    """Return the samples of a campaign, the oldest first, put together into intervals of `seconds`."""
    parameters = {"campaign_id": campaign_id, "seconds": seconds}
    with connection.cursor(row_factory=class_row(CampaignSample)) as cursor:
        return cursor.execute(query("list_campaign_samples"), parameters).fetchall()


def list_account_samples(connection: Connection, account_id: int, *, seconds: float, count: int) -> list[AccountSample]:
    """Return the samples of an account in the last `count` intervals of `seconds`, the oldest first."""
    parameters = {"account_id": account_id, "seconds": seconds, "count": count}
    with connection.cursor(row_factory=class_row(AccountSample)) as cursor:
        return cursor.execute(query("list_account_samples"), parameters).fetchall()
