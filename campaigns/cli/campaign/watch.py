"""`revoada campaign watch`: live bars in a terminal, plain lines elsewhere."""

from __future__ import annotations

import datetime as dt
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import NamedTuple

import click
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from campaigns.cli.campaign.diagnosis import explain_missing_worker, explain_stop
from campaigns.cli.help import Command
from campaigns.cli.hints import _, plural
from campaigns.cli.output import (
    describe_done,
    describe_rest,
    describe_stages,
    describe_uncertain,
    describe_wait,
    fit,
    funnel_cells,
    funnel_columns,
    json_option,
    make_console,
    make_table,
    print_json_line,
    say,
    to_text,
)
from campaigns.cli.session import Session
from campaigns.cli.types import CAMPAIGN
from campaigns.domain.campaign import ENDED, STARTED, CampaignStatus, missing_campaign
from campaigns.domain.pacing import NEEDS_PERSON
from campaigns.domain.statement import Hint, HintAction
from campaigns.management.reports import Funnel, read_funnel
from campaigns.store.campaigns import CampaignListing, list_campaigns

_INTERRUPTED = 130  # the exit code of a shell command that Ctrl-C ended
_LIVE_SECONDS = 0.5
_PLAIN_SECONDS = 2.0
_COLUMNS = ("campaign", "bar", "done", "rate", "state")
# The rate of a campaign is measured over this time. The time is short, so that a pause shows soon, but long enough for
# a steady rate.
_RATE_SECONDS = 5.0
# The workers, and the causes of a wait, are asked for at most once in this time.
_PROBLEM_SECONDS = 5.0

FindProblem = Callable[[CampaignListing], str]


@click.command(cls=Command)
@click.argument("campaign_ids", type=CAMPAIGN, nargs=-1, metavar="[ID…]")
@json_option
@click.pass_obj
def watch(session: Session, campaign_ids: Sequence[int], as_json: bool) -> None:
    """Watch campaigns until all of them are completed or cancelled; without an ID, all that are started and not ended.

    The command does not wait until a draft is started: it names the command that starts the draft, and ends. A terminal
    shows live bars; a pipe gets a line for each change, with --json an object of JSON per line. Ctrl-C ends the
    command, not the campaigns. The percentages of delivered, read and replied are of the sent messages, others are of
    all recipients. Messages of a completed campaign may still be delivered, read and replied to: see `revoada campaign
    show`.

    \b
    Examples:
      revoada campaign watch
      revoada campaign watch 7 8
    """
    rows = session.database.run(list_campaigns, list(campaign_ids) or None)
    if missing := set(campaign_ids) - {row.id for row in rows}:
        raise missing_campaign(min(missing))
    ids = [row.id for row in rows if campaign_ids or (row.status not in ENDED and row.status != CampaignStatus.DRAFT)]
    if not ids and as_json:
        return
    if not ids:
        say(_("Nothing to watch: every campaign has ended or is a draft."))
        return

    def read() -> list[CampaignListing]:
        return session.database.run(list_campaigns, ids)

    problems = Problems(lambda: explain_missing_worker(session), partial(explain_stop, session))
    try:
        if as_json:
            for change in _list_changes(read, Rates(), _PLAIN_SECONDS, problems.find):
                print_json_line(_to_json(change))
        else:
            watch_campaigns(read, console=make_console(), find_problem=problems.find)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)


class Problems:
    """Says why campaigns are not sent. Each of the two functions is called at most once in some seconds.

    `explain_workers`: says that no worker runs, for a campaign that is due. `explain_stop`: by the id of a campaign,
    says why it waits until a person acts.
    """

    def __init__(self, explain_workers: Callable[[], str], explain_stop: Callable[[int], str]) -> None:
        self._explain_workers, self._explain_stop = explain_workers, explain_stop
        self._found: dict[int | None, tuple[float, str]] = {}

    def find(self, row: CampaignListing) -> str:
        """Return why a campaign is not sent, and what to do; "" if nothing is known."""
        if row.status == CampaignStatus.DRAFT:
            start = Hint(HintAction.START_CAMPAIGN, row.id)
            if problem := self._ask(row.id, lambda: self._explain_stop(row.id)):
                return _(
                    "It is a draft and was not started. {problem} Then {start} starts it.", problem=problem, start=start
                )
            return _("It is a draft and was not started: {start} starts it.", start=start)
        if _is_due(row):
            return self._ask(None, self._explain_workers)
        if row.status == CampaignStatus.RUNNING and row.waiting_reason in NEEDS_PERSON:
            return self._ask(row.id, lambda: self._explain_stop(row.id))
        return ""

    def _ask(self, key: int | None, explain: Callable[[], str]) -> str:
        asked_at, text = self._found.get(key, (-math.inf, ""))
        if time.monotonic() - asked_at >= _PROBLEM_SECONDS:
            text = explain()
            self._found[key] = (time.monotonic(), text)
        return text


def watch_campaigns(
    read: Callable[[], list[CampaignListing]],
    *,
    console: Console,
    every_seconds: float | None = None,
    find_problem: FindProblem = lambda _row: "",
) -> None:
    """Show the campaigns that `read` returns, again and again, until each of them has ended or is a draft.

    `find_problem`: returns why a campaign is not sent, or "".
    """
    rates = Rates()
    if console.is_terminal:
        rows = _watch_live(read, rates, console, every_seconds or _LIVE_SECONDS, find_problem)
    else:
        rows = _watch_plainly(read, rates, console, every_seconds or _PLAIN_SECONDS, find_problem)
    for row in rows:
        if uncertain := describe_uncertain(row):
            console.print(to_text(uncertain), soft_wrap=True)


def _is_due(row: CampaignListing) -> bool:
    """Tell whether a campaign waits for nothing but a worker."""
    times = (at for at in (row.scheduled_at, row.due_at) if at is not None)
    return row.status in STARTED and all(at <= row.server_now for at in times)


def _watch_live(
    read: Callable[[], list[CampaignListing]],
    rates: Rates,
    console: Console,
    every_seconds: float,
    find_problem: FindProblem,
) -> list[CampaignListing]:
    """Draw the bars until no campaign can go on; return the campaigns."""
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            rows = read()
            problems = [*dict.fromkeys(problem for row in rows if (problem := find_problem(row)))]
            live.update(_draw(rows, rates, problems, console), refresh=True)
            if not _can_go_on(rows):
                return rows
            time.sleep(every_seconds)


class Rates:
    """The rate of each campaign: messages per second over the last seconds, by the clock of Postgres."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[tuple[dt.datetime, int]]] = {}

    def add(self, campaign_id: int, at: dt.datetime, done: int) -> float:
        """Note the number of settled messages at a time; return the rate since the oldest time that is kept."""
        seen = self._seen.setdefault(campaign_id, deque())
        seen.append((at, done))
        while len(seen) > 2 and (at - seen[0][0]).total_seconds() > _RATE_SECONDS:  # noqa: PLR2004  a rate needs two
            seen.popleft()
        elapsed = (at - seen[0][0]).total_seconds()
        return max(done - seen[0][1], 0) / elapsed if elapsed > 0 else 0.0


class Change(NamedTuple):
    """The progress of a campaign that has changed since the last look. `rate`: messages per second.

    `problem`: why the campaign is not sent; "" if nothing is known.
    """

    row: CampaignListing
    funnel: Funnel
    rate: float
    wait: str
    problem: str


def _list_changes(
    read: Callable[[], list[CampaignListing]], rates: Rates, every_seconds: float, find_problem: FindProblem
) -> Iterator[Change]:
    """Yield each change, until no campaign can go on."""
    last: dict[int, tuple[str, Funnel, str, str]] = {}
    while True:
        rows = read()
        for row in rows:
            funnel, wait = read_funnel(row), describe_wait(row)
            rate = rates.add(row.id, row.server_now, funnel.settled)
            problem = find_problem(row)
            if last.get(row.id) != (row.status, funnel, wait, problem):
                last[row.id] = (row.status, funnel, wait, problem)
                yield Change(row, funnel, rate, wait, problem)
        if not _can_go_on(rows):
            return
        time.sleep(every_seconds)


def _watch_plainly(
    read: Callable[[], list[CampaignListing]],
    rates: Rates,
    console: Console,
    every_seconds: float,
    find_problem: FindProblem,
) -> list[CampaignListing]:
    """Print a line for each change until no campaign can go on; return the campaigns."""
    rows: dict[int, CampaignListing] = {}
    for change in _list_changes(read, rates, every_seconds, find_problem):
        rows[change.row.id] = change.row
        console.print(to_text(_describe(change)), soft_wrap=True)
    return list(rows.values())


def _to_json(change: Change) -> dict[str, object]:
    row = change.row
    return {
        "at": row.server_now,
        "id": row.id,
        "name": row.name,
        "status": row.status,
        "funnel": asdict(change.funnel),
        "per_second": round(change.rate, 1),
        "waiting_reason": row.waiting_reason,
        "due_at": row.due_at,
        "problem": change.problem,
        "counts": row.counts,
    }


def _describe(change: Change) -> str:
    row, funnel, rate, wait, problem = change
    parts = [
        _(
            "Campaign {id} ({name}) {status}: {done}",
            id=row.id,
            name=row.name,
            status=CampaignStatus(row.status),
            done=describe_done(funnel),
        ),
        plural("{count:,} sent", "{count:,} sent", funnel.sent),
        plural("{count:,} failed", "{count:,} failed", funnel.failed),
        plural("{count:,} uncertain", "{count:,} uncertain", funnel.uncertain),
        *describe_stages(funnel),
        *describe_rest(replace(funnel, failed=0, uncertain=0)),  # these two are shown even if they are 0
    ]
    if row.status == CampaignStatus.RUNNING:
        parts.append(_("{rate:,.1f}/s", rate=rate))
    if wait:
        parts.append(_("waits for {reason}", reason=wait))
    line = ", ".join(parts)
    return f"{line}. {problem}" if problem else line


def _draw(rows: Sequence[CampaignListing], rates: Rates, problems: Sequence[str], console: Console) -> Group:
    """Return a bar for each campaign, a table that says how far the messages of each campaign came, and problems."""
    bars = Table.grid(padding=(0, 2), expand=True)
    for column in _COLUMNS:
        is_bar = column == "bar"
        bars.add_column(column, no_wrap=True, ratio=1 if is_bar else None, min_width=8 if is_bar else None)
    stages = make_table((_("id"), *funnel_columns(), _("also")))
    for row in rows:
        funnel = read_funnel(row)
        rate = rates.add(row.id, row.server_now, funnel.settled)
        bars.add_row(
            to_text(f"{row.id} {row.name}"),
            ProgressBar(total=max(funnel.recipients, 1), completed=funnel.settled),
            to_text(describe_done(funnel)),
            to_text(_("{rate:,.0f}/s", rate=rate) if row.status == CampaignStatus.RUNNING else ""),
            to_text(describe_wait(row) or CampaignStatus(row.status)),
        )
        # The number of failed messages has a column of its own.
        rest = ", ".join(describe_rest(replace(funnel, failed=0)))
        stages.add_row(str(row.id), *funnel_cells(funnel), rest)
    return Group(bars, fit(stages, console), *map(to_text, problems))


def _can_go_on(rows: Sequence[CampaignListing]) -> bool:
    """Tell whether a campaign may still change by itself or by `resume`. A draft waits until a person starts it."""
    return any(row.status not in ENDED and row.status != CampaignStatus.DRAFT for row in rows)
