"""A campaign's messages as the rows of a file, read page by page so that the memory stays flat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from campaigns.domain.campaign import CampaignError, missing_campaign
from campaigns.domain.message import Status
from campaigns.store import messages
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Connection, Database
from campaigns.store.messages import ExportRow

_PAGE = 5_000
_BEFORE = ("phone",)
_AFTER = (
    *("status", "sent_at", "delivered_at", "read_at", "failed_at", "error_code", "error_title", "error_details"),
    *("attempts", "account", "wamid", "pricing_category", "pricing_model", "billable", "consent"),
)


@dataclass(frozen=True, slots=True)
class Export:
    """What is written: the names of the columns, how many rows there are about now, and the rows in pages."""

    columns: list[str]
    row_count: int
    pages: Iterator[list[list[str]]]


def export_campaign(
    database: Database, campaign_id: int, *, statuses: Sequence[Status] | None = None, quotes_phones: bool = False
) -> Export:
    """Return the messages with these statuses (None: any) in the order of the list. Raises CampaignError.

    Times are ISO in the campaign's zone. What a spreadsheet would take for a formula has an apostrophe before it, but
    not a phone: + and digits calculate nothing. `quotes_phones`: phones too, so that a spreadsheet keeps their +.
    """

    def load(connection: Connection) -> tuple[list[str], int, str]:
        found = list_campaigns(connection, [campaign_id])
        if not found:
            raise CampaignError(missing_campaign(campaign_id))
        row = found[0]
        names = list(row.columns)
        width = messages.variables_width(connection, campaign_id)
        names += [f"variable {number}" for number in range(len(names) + 1, width + 1)]
        count = sum(count for status, count in row.counts.items() if statuses is None or status in statuses)
        return names, count, row.time_zone

    names, count, time_zone = database.run(load)
    words = None if statuses is None else [status.value for status in statuses]
    columns = [*_BEFORE, *(make_safe(name) for name in names), *_AFTER]
    zone, width = ZoneInfo(time_zone), len(names)

    def write_pages() -> Iterator[list[list[str]]]:
        after = 0
        while page := database.run(messages.export_messages, campaign_id, statuses=words, after=after, limit=_PAGE):
            yield [_write(row, zone, width, quotes_phones=quotes_phones) for row in page]
            after = page[-1].id

    return Export(columns, count, write_pages())


def _write(row: ExportRow, zone: ZoneInfo, width: int, *, quotes_phones: bool) -> list[str]:
    return [
        f"'{row.phone}" if quotes_phones else row.phone,
        *map(make_safe, row.variables),
        *[""] * (width - len(row.variables)),
        row.status,
        _write_time(row.sent_at, zone),
        _write_time(row.delivered_at, zone),
        _write_time(row.read_at, zone),
        _write_time(row.failed_at, zone),
        "" if row.error_code is None else str(row.error_code),
        make_safe(row.error_title or ""),
        make_safe(row.error_details or ""),
        str(row.attempts),
        make_safe(row.account or ""),
        row.wamid or "",
        make_safe(row.pricing_category or ""),
        make_safe(row.pricing_model or ""),
        "" if row.is_billable is None else "yes" if row.is_billable else "no",
        make_safe(row.consent or ""),
    ]


def _write_time(at: dt.datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else at.astimezone(zone).isoformat(timespec="seconds")


# The last four are the wide forms of = + - @ that an East Asian keyboard writes: Excel takes them for the same.
_FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def make_safe(text: str) -> str:
    """Return `text`, with an apostrophe before it where a spreadsheet would calculate it; spaces do not hide that."""
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA_STARTS) else text
