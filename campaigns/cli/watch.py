"""`revoada campaign watch`: live bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence

import click
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from campaigns.cli.output import Progress, describe_doubts, describe_wait, make_console, read_progress, to_text
from campaigns.cli.session import Session
from campaigns.domain.campaign import ENDED, CampaignError, CampaignStatus, missing_campaign
from campaigns.store.campaigns import CampaignListing, list_campaigns

_INTERRUPTED = 130  # as a shell counts Ctrl-C
_LIVE_SECONDS = 0.5
_PLAIN_SECONDS = 2.0
_COLUMNS = ("campaign", "bar", "done", "numbers", "rate", "state")
# A rate is measured over so long: short enough to follow a pause, long enough to be readable.
_RATE_SECONDS = 5.0


@click.command()
@click.argument("campaign_ids", type=int, nargs=-1, metavar="[ID…]")
@click.pass_obj
def watch(session: Session, campaign_ids: Sequence[int]) -> None:
    """Watch campaigns until all of them are completed or cancelled; without an ID, all that are alive now.

    Live bars in a terminal, else a line whenever something changed. Ctrl-C ends the watching, not the campaigns.

    \b
    Examples:
      revoada campaign watch
      revoada campaign watch 7 8
    """
    rows = session.database.run(list_campaigns, list(campaign_ids) or None)
    if missing := set(campaign_ids) - {row.id for row in rows}:
        raise CampaignError(missing_campaign(min(missing)))
    ids = [row.id for row in rows if campaign_ids or (row.status not in ENDED and row.status != CampaignStatus.DRAFT)]
    if not ids:
        click.echo("No campaign is alive.")
        return
    try:
        watch_campaigns(lambda: session.database.run(list_campaigns, ids), console=make_console())
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


def watch_campaigns(
    read: Callable[[], list[CampaignListing]], *, console: Console, every_seconds: float | None = None
) -> None:
    """Show what `read` returns, again and again, until all of it has ended."""
    rates = Rates()
    if console.is_terminal:
        rows = _watch_live(read, rates, console, every_seconds or _LIVE_SECONDS)
    else:
        rows = _watch_plainly(read, rates, console, every_seconds or _PLAIN_SECONDS)
    for row in rows:
        if doubts := describe_doubts(row):
            console.print(to_text(doubts), soft_wrap=True)


def _watch_live(
    read: Callable[[], list[CampaignListing]], rates: Rates, console: Console, every_seconds: float
) -> list[CampaignListing]:
    """Draw until all has ended; return how it ended."""
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            rows = read()
            live.update(_draw(rows, rates), refresh=True)
            if _have_ended(rows):
                return rows
            time.sleep(every_seconds)


class Rates:
    """Messages per second of each campaign, over the last seconds, by the server's clock."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[tuple[dt.datetime, int]]] = {}

    def add(self, campaign_id: int, at: dt.datetime, done: int) -> float:
        """Note how many were done at a time; return the rate."""
        seen = self._seen.setdefault(campaign_id, deque())
        seen.append((at, done))
        while len(seen) > 2 and (at - seen[0][0]).total_seconds() > _RATE_SECONDS:  # noqa: PLR2004  a rate needs two
            seen.popleft()
        elapsed = (at - seen[0][0]).total_seconds()
        return max(done - seen[0][1], 0) / elapsed if elapsed > 0 else 0.0


def _watch_plainly(
    read: Callable[[], list[CampaignListing]], rates: Rates, console: Console, every_seconds: float
) -> list[CampaignListing]:
    """Print what has changed until all has ended; return how it ended."""
    last: dict[int, tuple[str, Progress, str]] = {}
    while True:
        rows = read()
        for row in rows:
            progress, wait = read_progress(row), describe_wait(row)
            rate = rates.add(row.id, row.server_now, progress.done)
            if last.get(row.id) != (row.status, progress, wait):
                last[row.id] = (row.status, progress, wait)
                console.print(to_text(_describe(row, progress, rate, wait)), soft_wrap=True)
        if _have_ended(rows):
            return rows
        time.sleep(every_seconds)


def _describe(row: CampaignListing, progress: Progress, rate: float, wait: str) -> str:
    parts = [
        f"Campaign {row.id} ({row.name}) {row.status}: {progress.done:,}/{progress.total:,}",
        f"{progress.sent:,} sent, {progress.failed:,} failed, {progress.uncertain:,} uncertain",
    ]
    if progress.held:
        parts.append(f"{progress.held:,} held by Meta")
    if progress.expired:
        parts.append(f"{progress.expired:,} expired")
    if row.status == CampaignStatus.RUNNING:
        parts.append(f"{rate:,.1f}/s")
    if wait:
        parts.append(f"waits for {wait}")
    return ", ".join(parts)


def _draw(rows: Sequence[CampaignListing], rates: Rates) -> Table:
    table = Table.grid(padding=(0, 2), expand=True)
    for column in _COLUMNS:
        is_bar = column == "bar"
        table.add_column(column, no_wrap=True, ratio=1 if is_bar else None, min_width=8 if is_bar else None)
    for row in rows:
        progress = read_progress(row)
        rate = rates.add(row.id, row.server_now, progress.done)
        numbers = (
            ("sent", progress.sent),
            ("held", progress.held),
            ("failed", progress.failed),
            ("uncertain", progress.uncertain),
            ("expired", progress.expired),
        )
        table.add_row(
            to_text(f"{row.id} {row.name}"),
            ProgressBar(total=max(progress.total, 1), completed=progress.done),
            to_text(f"{progress.done:,}/{progress.total:,}"),
            # What is zero is left out, so that a line fits into 80 columns.
            to_text(", ".join(f"{number:,} {word}" for word, number in numbers if number)),
            to_text(f"{rate:,.0f}/s" if row.status == CampaignStatus.RUNNING else ""),
            to_text(describe_wait(row) or row.status),
        )
    return table


def _have_ended(rows: Sequence[CampaignListing]) -> bool:
    return all(row.status in ENDED for row in rows)
