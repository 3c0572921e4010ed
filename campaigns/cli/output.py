"""JSON for scripts; tables, times in the zone of the campaign, and the progress of a campaign for people."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import ACCEPTED, OPEN, Status

if TYPE_CHECKING:
    from campaigns.store.campaigns import CampaignListing

# Wide enough that a pipe gets whole rows.
_PIPE_WIDTH = 240

_COLOURS = {
    "running": "green",
    "completed": "blue",
    "cancelled": "dim",
    "paused": "yellow",
    "draft": "dim",
    "GREEN": "green",
    "YELLOW": "yellow",
    "RED": "red",
    "active": "green",
    "inactive": "red",
}


def json_option(command: Any) -> Any:
    """Add `--json` to a command."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON; times are UTC, keys are column names.")(
        command
    )


def print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_to_json))


def print_json_rows(rows: Iterable[object]) -> None:
    """Print a list of any length without having it in memory."""
    before = ""
    click.echo("[", nl=False)
    for row in rows:
        click.echo(f"{before}\n  {json.dumps(row, ensure_ascii=False, default=_to_json)}", nl=False)
        before = ","
    click.echo("\n]")


def _to_json(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.time | dt.date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def has_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def make_console() -> Console:
    """Return a console on today's stdout; a pipe gets whole rows instead of rows cut at 80 columns."""
    is_pipe = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=_PIPE_WIDTH if is_pipe else None)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(to_text(cell) for cell in row))
    if table.row_count:
        make_console().print(table)
    else:
        click.echo(empty)


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; empty values are left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        if value not in (None, "", [], ()):
            table.add_row(Text(name, style="bold"), to_text(value))
    make_console().print(table)


def to_text(value: object) -> Text:
    """Return text that is shown as it is: a name in brackets is no markup."""
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("")
    text = f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    return Text(text, style=_COLOURS.get(text, ""))


def local_time(at: dt.datetime | None, time_zone: str) -> str:
    """Return a time as the clocks of a zone show it, with the zone's short name."""
    return "" if at is None else at.astimezone(ZoneInfo(time_zone)).strftime("%Y-%m-%d %H:%M:%S %Z")


def past_day(at: dt.datetime | None, now: dt.datetime, time_zone: str) -> str:
    """Return which day of a zone's calendar a time was, as people say it."""
    if at is None:
        return ""
    zone = ZoneInfo(time_zone)
    days = (now.astimezone(zone).date() - at.astimezone(zone).date()).days
    return {0: "today", 1: "yesterday"}.get(days, f"{days} days ago")


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class Progress:
    """`sent`: Meta has it, or had it; `held` are those of them that it keeps back. `done`: nothing is left to do."""

    total: int
    done: int
    sent: int
    failed: int
    uncertain: int
    skipped: int
    expired: int
    held: int = 0

    @property
    def percent(self) -> int:
        """Rounded down: 100 means all."""
        return 100 * self.done // self.total if self.total else 0

    def __str__(self) -> str:
        numbers = f"{self.done:,}/{self.total:,} ({self.percent}%)"
        rest = [
            f"{number:,} {word}"
            for number, word in (
                (self.held, "held by Meta"),
                (self.failed, "failed"),
                (self.uncertain, "uncertain"),
                (self.skipped, "skipped"),
                (self.expired, "expired"),
            )
            if number
        ]
        return ", ".join([numbers, *rest])


def read_progress(row: CampaignListing) -> Progress:
    counts = {Status(status): count for status, count in row.counts.items()}
    return Progress(
        total=sum(counts.values()),
        done=sum(count for status, count in counts.items() if status not in OPEN),
        sent=sum(count for status, count in counts.items() if status in ACCEPTED),
        failed=counts.get(Status.FAILED, 0),
        uncertain=counts.get(Status.UNCERTAIN, 0),
        held=counts.get(Status.HELD, 0),
        skipped=counts.get(Status.SUPPRESSED, 0) + counts.get(Status.CANCELLED, 0),
        expired=counts.get(Status.EXPIRED, 0),
    )


def describe_wait(row: CampaignListing) -> str:
    """Return why nothing is sent just now and until when, in the campaign's own zone; "" when something may be."""
    is_alive = row.status in {CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING}
    if is_alive and row.scheduled_at is not None and row.scheduled_at > row.server_now:
        return f"schedule until {local_time(row.scheduled_at, row.time_zone)}"
    if row.status != CampaignStatus.RUNNING or row.waiting_reason is None:
        return ""
    until = f" until {local_time(row.due_at, row.time_zone)}" if row.due_at is not None else ""
    return f"{row.waiting_reason}{until}"


def describe_doubts(row: CampaignListing) -> str:
    """Return what an operator must know of a campaign's uncertain messages; "" where there are none."""
    doubted = row.counts.get(Status.UNCERTAIN, 0)
    if not doubted:
        return ""
    is_one = doubted == 1
    return (
        f"{count(doubted, 'message')} of campaign {row.id} {'is' if is_one else 'are'} uncertain: nobody knows "
        f"whether Meta has {'it' if is_one else 'them'}. A webhook settles each, whenever it comes; nothing is sent "
        f"again but by `revoada campaign retry-uncertain {row.id}`, at the risk of a second copy."
    )
