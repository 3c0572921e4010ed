"""Returns a campaign's messages as the rows of a file. The messages are read page by page, to use little memory."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import ACCEPTED, Status
from campaigns.domain.users.actor import Act, Actor
from campaigns.management.listings.recipients import RecipientFilter, choose_messages
from campaigns.management.reports import find_campaign
from campaigns.store import messages
from campaigns.store.campaigns import CampaignListing, cancel_messages
from campaigns.store.database import Connection, Database
from campaigns.store.messages import ExportRow, MessageFilter
from campaigns.store.users.audit import write_audit

_PAGE = 5_000
_BEFORE = ("phone",)
_AFTER = (
    *("status", "sent_at", "delivered_at", "read_at", "failed_at", "error_code", "error_title", "error_details"),
    *("attempts", "account", "wamid", "pricing_category", "pricing_model", "billable", "consent"),
    "replied_at",
)


def find_export_columns(names: Sequence[str]) -> frozenset[int]:
    """Return the positions of the columns that an export has added, if these are the columns of an export.

    Words there, such as the status `cancelled`, say nothing about whether the person wants messages.
    """
    first = len(names) - len(_AFTER)
    if tuple(names[:1]) != _BEFORE or first < 1 or tuple(names[first:]) != _AFTER:
        return frozenset()
    return frozenset(range(first, len(names))) - {names.index("consent")}


@dataclass(frozen=True, slots=True)
class Export:
    """An export. `row_count`: the approximate number of rows. `pages`: an iterator; each page is a list of rows."""

    columns: list[str]
    row_count: int
    pages: Iterator[list[list[str | int]]]


def export_campaign(
    database: Database,
    campaign_id: int,
    *,
    actor: Actor,
    statuses: Sequence[Status] | None = None,
    people: RecipientFilter | None = None,
    quotes_phones: bool = False,
    audited_by: Connection | None = None,
) -> Export:
    """Return the messages with these statuses (None: all statuses), in the order of their ids. Raises Refusal.

    `people`: only the messages to these people; then `statuses` is None.

    Times are in ISO format, in the campaign's time zone. The failure columns of a message that Meta accepted are empty,
    also if a later webhook reported a failure. With `quotes_phones`, each phone has an apostrophe before it, so that a
    spreadsheet program keeps the +. An audit event about the export is committed before the first row is read; with
    `audited_by`, when this transaction commits.
    """

    def load(connection: Connection) -> tuple[list[str], int, CampaignListing, MessageFilter]:
        row = find_campaign(connection, campaign_id)
        chosen = MessageFilter(statuses=statuses) if people is None else choose_messages(connection, row, people)
        names = list(row.columns)
        width = messages.find_max_variable_count(connection, campaign_id)
        names += [f"variable {number}" for number in range(len(names) + 1, width + 1)]
        wanted = chosen.statuses
        count = sum(count for status, count in row.counts.items() if wanted is None or status in wanted)
        after: dict[str, object] = {"statuses": None if wanted is None else [status.value for status in wanted]}
        # A filter of another kind is not counted: the counters of the campaign know only statuses.
        after |= {"message_count": count} if chosen == MessageFilter(statuses=wanted) else {"code": chosen.code}
        write_audit(connection, actor, Act.CAMPAIGN_EXPORT, campaign_id, after=after)
        return names, count, row, chosen

    names, count, campaign, chosen = database.run(load) if audited_by is None else load(audited_by)
    if campaign.status == CampaignStatus.CANCELLED:
        # Its messages are cancelled in many short transactions, which may not have come to the end.
        cancel_messages(database, campaign_id)
    columns = [*_BEFORE, *names, *_AFTER]
    zone, width = ZoneInfo(campaign.time_zone), len(names)

    def write_pages() -> Iterator[list[list[str | int]]]:
        after = 0
        while page := database.run(messages.export_messages, campaign_id, chosen, after=after, limit=_PAGE):
            yield [_write(row, zone, width, quotes_phones=quotes_phones) for row in page]
            after = page[-1].id

    return Export(columns, count, write_pages())


def _write(row: ExportRow, zone: ZoneInfo, width: int, *, quotes_phones: bool) -> list[str | int]:
    # A webhook may report `failed` for a message that has arrived, such as on the second device of the person. The
    # status stays. A failure beside it would make the row look like a failed message.
    failure = _NO_FAILURE if row.status in ACCEPTED else _write_failure(row, zone)
    return [
        f"'{row.phone}" if quotes_phones else row.phone,
        *row.variables,
        *[""] * (width - len(row.variables)),
        row.status,
        _write_time(row.sent_at, zone),
        _write_time(row.delivered_at, zone),
        _write_time(row.read_at, zone),
        *failure,
        row.attempts,
        row.account or "",
        row.wamid or "",
        row.pricing_category or "",
        row.pricing_model or "",
        "" if row.is_billable is None else "yes" if row.is_billable else "no",
        row.consent or "",
        _write_time(row.replied_at, zone),
    ]


def _write_failure(row: ExportRow, zone: ZoneInfo) -> tuple[str | int, ...]:
    code = "" if row.error_code is None else row.error_code
    return _write_time(row.failed_at, zone), code, row.error_title or "", row.error_details or ""


_NO_FAILURE = ("", "", "", "")


def _write_time(at: dt.datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else at.astimezone(zone).isoformat(timespec="seconds")
