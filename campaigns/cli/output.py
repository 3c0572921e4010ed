"""Prints results: JSON for scripts; tables, local times and the progress of campaigns for people."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click
from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from campaigns.cli.hints import _, plural
from campaigns.cli.session import DeclinedError, prints_json
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.controls import escape_controls, escape_in_json
from campaigns.domain.message import Status
from campaigns.domain.pacing import Reason
from campaigns.domain.statement import Hint, HintAction
from campaigns.language import ENGLISH, current

if TYPE_CHECKING:
    from campaigns.management.reports import Funnel
    from campaigns.store.campaigns import CampaignListing

# The width of a table that is written to a pipe. It is wide enough for whole rows.
_PIPE_WIDTH = 240

_COLOURS = {
    CampaignStatus.RUNNING: "green",
    CampaignStatus.COMPLETED: "blue",
    CampaignStatus.CANCELLED: "dim",
    CampaignStatus.PAUSED: "yellow",
    CampaignStatus.DRAFT: "dim",
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


def say(text: object = "", *, mark: str = "", is_warning: bool = False) -> None:
    """Print one line for people. Control characters in the line are escaped.

    Commands print all their text with this function, `to_text`, `print_json`, `print_json_line`, `print_json_rows` or
    `confirm`, or as the message of an error. All of these escape control characters. `mark` is printed before the text
    and is not escaped. A warning goes to stderr; with `--json` it is a line of JSON.
    """
    if is_warning and prints_json():
        print_json_line({"warning": str(text)}, is_error=True)
        return
    click.echo(mark + escape_controls(str(text)), err=is_warning)


def confirm(question: str, otherwise: str) -> None:
    """Ask a person a question. If the answer is no, or Ctrl-C, end the command.

    `otherwise`: a translated text that says then that nothing was changed, and what the person can do.
    """
    if not ask(question):
        raise DeclinedError(otherwise)


def ask(question: str, *, default: bool = False) -> bool:
    """Ask a person a question; return whether the answer is yes. `default`: the answer of Enter. Ctrl-C is a no."""
    try:
        return _ask(escape_controls(question), default=default)
    except click.Abort:
        if not prints_json():
            say(is_warning=True)  # the cursor stands behind the question
        return False


def _ask(question: str, *, default: bool) -> bool:
    """Ask until the answer is yes or no, in the language of the command or in English."""
    if current().name == ENGLISH:
        return click.confirm(question, default=default, err=prints_json())
    letters = current().translate("Y/n") if default else current().translate("y/N")
    yes, no = (each.casefold() for each in current().translate("yes/no").split("/"))
    answers = dict.fromkeys((yes, yes[0], "yes", "y"), True) | dict.fromkeys((no, no[0], "no", "n"), False)
    answers[""] = default
    while True:
        answer = click.prompt(f"{question} [{letters}]", default="", show_default=False, err=prints_json())
        if (known := answers.get(answer.strip().casefold())) is not None:
            return known
        say(current().translate("Error: invalid input"), is_warning=True)


def print_json(value: Any) -> None:
    click.echo(escape_in_json(json.dumps(value, ensure_ascii=False, indent=2, default=_to_json)))


def print_json_line(value: Any, *, is_error: bool = False) -> None:
    """Print JSON in one line to stdout, or to stderr if it is an error or a warning."""
    click.echo(escape_in_json(json.dumps(value, ensure_ascii=False, default=_to_json)), err=is_error)


def print_json_rows(rows: Iterable[object]) -> None:
    """Print a list of any length as JSON, without holding the whole list in memory."""
    before = ""
    click.echo("[", nl=False)
    for row in rows:
        text = escape_in_json(json.dumps(row, ensure_ascii=False, default=_to_json))
        click.echo(f"{before}\n  {text}", nl=False)
        before = ","
    click.echo("\n]")


def _to_json(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.time | dt.date):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def has_terminal() -> bool:
    """Tell whether a person at a terminal can be asked."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def make_console() -> Console:
    """Return a console on the present stdout; a pipe gets whole rows instead of rows cut at 80 columns."""
    is_pipe = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=_PIPE_WIDTH if is_pipe else None)


def make_table(columns: Sequence[str]) -> Table:
    """Return an empty table. A word that is longer than its column goes on in the next line, and loses no letter."""
    return Table(*(Column(column, overflow="fold") for column in columns), box=box.SIMPLE_HEAD, pad_edge=False)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    table = make_table(columns)
    for row in rows:
        table.add_row(*(to_text(cell) for cell in row))
    if table.row_count:
        console = make_console()
        console.print(fit(table, console))
    else:
        say(empty)


def fit(table: Table, console: Console) -> Table:
    """Return the table, with one space between its columns instead of three if its rows would not fit otherwise."""
    if console.measure(table, options=console.options.update(width=_PIPE_WIDTH)).maximum > console.width:
        table.padding = (0, 0)
    return table


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values below each other; empty values are left out."""
    table = Table.grid(Column(), Column(overflow="fold"), padding=(0, 2))
    for name, value in facts:
        if value not in (None, "", [], ()):
            table.add_row(Text(name, style="bold"), to_text(value))
    make_console().print(table)


def to_text(value: object, *, keeps: str = "") -> Text:
    """Return text that is shown as it is: Rich does not take brackets in a name for markup.

    Control characters are escaped, except those in `keeps`.
    """
    if isinstance(value, Text):
        return value
    if value is None:
        return Text("")
    shown = current().format(value, "," if isinstance(value, int) else "")
    return Text(escape_controls(shown, keeps=keeps), style=_COLOURS.get(str(value), ""))


def local_time(at: dt.datetime | None, time_zone: str) -> str:
    return current().local_time(at, time_zone)


def count(number: int, noun: str) -> str:
    return current().count(number, noun)


def write_number(number: int) -> str:
    return current().format_number(number, ",")


def past_day(at: dt.datetime | None, now: dt.datetime, time_zone: str) -> str:
    """Return the day of a time in a zone's calendar, as people say it: today, yesterday, 3 days ago."""
    if at is None:
        return ""
    zone = ZoneInfo(time_zone)
    days = (now.astimezone(zone).date() - at.astimezone(zone).date()).days
    if days in {0, 1}:
        return _("yesterday") if days else _("today")
    return plural("{count} day ago", "{count} days ago", days)


def percent(part: int, whole: int) -> str:
    """Return the percentage of a part, "" if the whole is 0.

    It is 0 % only if the part is 0, and 100 % only if the part is the whole. All other parts have one decimal, or are
    below 0.1 or above 99.9.
    """
    if not whole:
        return ""
    if part in (0, whole):
        return "100%" if part else "0%"
    tenths = (2000 * part + whole) // (2 * whole)  # tenths of a percent, rounded to the nearest
    bound = "<" if tenths == 0 else ">" if tenths >= _WHOLE_TENTHS else ""
    return f"{bound}{current().format_number(min(max(tenths, 1), _WHOLE_TENTHS - 1) / 10, '.1f')}%"


_WHOLE_TENTHS = 1000


def funnel_columns() -> tuple[str, ...]:
    """Return the titles of `funnel_cells`. The percentages of the second to the fourth column are of the first."""
    return (_("sent"), _("delivered"), _("read"), _("replied"), _("failed"))


def funnel_cells(funnel: Funnel) -> tuple[str, ...]:
    """Return the cells of a table for `funnel_columns`, each with a percentage: see `describe_funnel`."""
    parts = (funnel.delivered, funnel.read, funnel.replied)
    return (
        _with_percent(funnel.sent, funnel.recipients),
        *(_with_percent(part, funnel.sent) for part in parts),
        _with_percent(funnel.failed, funnel.recipients),
    )


def _with_percent(part: int, whole: int) -> str:
    number = write_number(part)
    return f"{number} ({percent(part, whole)})" if part and whole else number


def describe_funnel(funnel: Funnel) -> list[tuple[str, str]]:
    """Return names and values: the parts of the recipients, and below `sent` the parts of the sent messages."""
    parts = (
        (_("delivered"), funnel.delivered),
        (_("read"), funnel.read),
        (_("replied"), funnel.replied),
        *([(_("held by Meta"), funnel.held)] if funnel.held else []),
    )
    rest = ((_("failed"), funnel.failed), (_("uncertain"), funnel.uncertain), (_("to send"), funnel.to_send))
    return [
        (_("recipients"), write_number(funnel.recipients)),
        (_("sent"), _of_recipients(funnel.sent, funnel)),
        *((f"  {name}", _of_sent(number, funnel)) for name, number in parts if funnel.sent),
        *((name, _of_recipients(number, funnel)) for name, number in rest if number),
    ]


def _of_recipients(number: int, funnel: Funnel) -> str:
    if not funnel.recipients:
        return write_number(number)
    return _("{number:,} ({percent} of recipients)", number=number, percent=percent(number, funnel.recipients))


def _of_sent(number: int, funnel: Funnel) -> str:
    return _("{number:,} ({percent} of sent)", number=number, percent=percent(number, funnel.sent))


def describe_skipped(funnel: Funnel, *, capped: int = 0, held_for_review: int = 0, left_audience: int = 0) -> str:
    """Return the number of skipped recipients with the reasons; "" if nobody was skipped.

    `capped`, `held_for_review` and `left_audience` are parts of `funnel.suppressed`; a caller that does not know them
    leaves them out.
    """
    suppressed = funnel.suppressed - capped - held_for_review - left_audience
    reasons = (
        (suppressed, plural("{count:,} suppressed", "{count:,} suppressed", suppressed)),
        (capped, plural("{count:,} had their most messages", "{count:,} had their most messages", capped)),
        (held_for_review, plural("{count:,} may have opted out", "{count:,} may have opted out", held_for_review)),
        (left_audience, plural("{count:,} left the audience", "{count:,} left the audience", left_audience)),
        (funnel.expired, plural("{count:,} expired", "{count:,} expired", funnel.expired)),
        (funnel.cancelled, plural("{count:,} cancelled", "{count:,} cancelled", funnel.cancelled)),
    )
    named = ", ".join(reason for number, reason in reasons if number)
    return f"{_of_recipients(funnel.skipped, funnel)}: {named}" if named else ""


def describe_progress(funnel: Funnel) -> str:
    """Return in one line how much of a campaign is done and how far its messages came, without zeros.

    The percentages after the first are of the sent messages.
    """
    done = f"{describe_done(funnel)} ({percent(_count_done(funnel), funnel.recipients) or '0%'})"
    sent = [plural("{count:,} sent", "{count:,} sent", funnel.sent)] if funnel.sent else []
    return ", ".join([done, *sent, *describe_stages(funnel), *describe_rest(funnel)])


def describe_done(funnel: Funnel) -> str:
    """Return how many of the messages are done: `990/1,000`. Cancelled messages are not done."""
    return f"{write_number(_count_done(funnel))}/{write_number(funnel.recipients)}"


def _count_done(funnel: Funnel) -> int:
    return funnel.settled - funnel.cancelled


def describe_stages(funnel: Funnel) -> list[str]:
    """Return the parts of the sent messages with their percentages, without zeros."""
    stages = (
        (funnel.delivered, plural("{count:,} delivered", "{count:,} delivered", funnel.delivered)),
        (funnel.read, plural("{count:,} read", "{count:,} read", funnel.read)),
        (funnel.replied, plural("{count:,} replied", "{count:,} replied", funnel.replied)),
    )
    return [f"{stage} ({percent(number, funnel.sent)})" for number, stage in stages if number]


def describe_rest(funnel: Funnel) -> list[str]:
    """Return the numbers beside the stages, without zeros."""
    skipped = funnel.suppressed + funnel.cancelled
    numbers = (
        (funnel.held, plural("{count:,} held by Meta", "{count:,} held by Meta", funnel.held)),
        (funnel.failed, plural("{count:,} failed", "{count:,} failed", funnel.failed)),
        (funnel.uncertain, plural("{count:,} uncertain", "{count:,} uncertain", funnel.uncertain)),
        (skipped, plural("{count:,} skipped", "{count:,} skipped", skipped)),
        (funnel.expired, plural("{count:,} expired", "{count:,} expired", funnel.expired)),
    )
    return [text for number, text in numbers if number]


def describe_wait(row: CampaignListing) -> str:
    """Return why nothing is sent now and until when, in the campaign's own zone; "" if messages may be sent."""
    is_alive = row.status in {CampaignStatus.PENDING, CampaignStatus.SCHEDULED, CampaignStatus.RUNNING}
    if is_alive and row.scheduled_at is not None and row.scheduled_at > row.server_now:
        return _("schedule until {time}", time=local_time(row.scheduled_at, row.time_zone))
    if row.status != CampaignStatus.RUNNING or row.waiting_reason is None:
        return ""
    reason = current().format(Reason(row.waiting_reason), "").replace("_", " ")
    if row.due_at is None or row.waiting_reason == Reason.IDLE:
        return reason
    return _("{reason} until {time}", reason=reason, time=local_time(row.due_at, row.time_zone))


def describe_uncertain(row: CampaignListing) -> str:
    """Return a warning about a campaign's uncertain messages; "" if it has none."""
    uncertain = row.counts.get(Status.UNCERTAIN, 0)
    if not uncertain:
        return ""
    return plural(
        "{count:,} message of campaign {id} is uncertain: nobody knows whether Meta has it. A webhook settles each, "
        "whenever it comes; nothing is sent again but by {retry}, at the risk of a second copy.",
        "{count:,} messages of campaign {id} are uncertain: nobody knows whether Meta has them. A webhook settles each,"
        " whenever it comes; nothing is sent again but by {retry}, at the risk of a second copy.",
        uncertain,
        id=row.id,
        retry=Hint(HintAction.RETRY_UNCERTAIN, row.id),
    )
