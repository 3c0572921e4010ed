"""`revoada campaign`: made, changed, started, paused, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from campaigns.cli.output import count, has_terminal
from campaigns.cli.recipients import export, import_, import_errors, open_reading, reading_options, report_import, warn
from campaigns.cli.retry import errors, retry, retry_uncertain
from campaigns.cli.session import Refusal, Session
from campaigns.cli.show import list_, preview_, show
from campaigns.cli.types import DURATION, FILE, HOLIDAYS, SETTING, WEEKDAYS, WINDOW, ZONE
from campaigns.cli.watch import watch
from campaigns.domain.campaign import Move
from campaigns.domain.message import ACCEPTED, OPEN, Status
from campaigns.management import lifecycle
from campaigns.management.campaigns import NO_EXPIRY, NO_SCHEDULE, NO_WINDOW, Wishes, change_campaign, create_campaign
from campaigns.management.test_sends import await_test, start_test
from campaigns.store.campaigns import list_campaigns
from campaigns.store.database import Database

# Options of `campaign set` that take away what another gives.
_CLEARED = (
    ("schedule_at", "no_schedule"),
    ("start_within", "no_start_within"),
    ("expire_at", "no_expire"),
    ("max_per_person", "no_max_per_person"),
    ("within", "no_max_per_person"),
    ("pause_after", "no_pause"),
    ("pause_for", "no_pause"),
    ("window", "no_window"),
    ("holidays", "no_holidays"),
)


@click.group()
def campaign() -> None:
    """Campaigns: one template sent to many people.

    \b
    draft → pending | scheduled → running ⇄ paused → completed | cancelled

    Only a person pauses a campaign. A running one that cannot go on waits, says why, and goes on by itself.
    """


def _plan_options(command: Any) -> Any:
    options = (
        click.option("--schedule-at", metavar="ISO", help="Not before this time, such as 2026-11-27T09:00."),
        click.option(
            "--start-within", type=DURATION, metavar="2h", help="All expires if it starts later than that (30m, 1d)."
        ),
        click.option("--expire-at", metavar="ISO", help="What is not sent by then never is."),
        click.option(
            "--max-per-person", type=click.IntRange(1), metavar="N", help="Skip who had so many of other campaigns …"
        ),
        click.option("--within", type=click.IntRange(1, 366), metavar="DAYS", help="… in so many days."),
        click.option("--interval", type=click.FloatRange(0, 86400), metavar="S", help="Seconds between two messages."),
        click.option("--pause-after", type=click.IntRange(1), metavar="N", help="Pause after so many messages …"),
        click.option(
            "--pause-for", type=click.FloatRange(0, min_open=True), metavar="S", help="… for so many seconds."
        ),
        click.option("--window", type=WINDOW, metavar="09:00-18:00", help="Send only in these hours."),
        click.option("--weekdays", type=WEEKDAYS, metavar="mon-fri", help="Send only on these days (mon,wed,sat)."),
        click.option(
            "--recipient-timezone/--no-recipient-timezone", default=None, help="The window on each person's own clock."
        ),
        click.option("--holidays", type=HOLIDAYS, metavar="BR-SP", help="Closed on public holidays (BR, BR-SP)."),
        click.option(
            "--set",
            "parameters",
            type=SETTING,
            multiple=True,
            metavar="KEY=VALUE",
            help="The same for all: `template show` lists the keys; KEY alone: a column brings it; repeatable.",
        ),
        click.option("--timezone", type=ZONE, metavar="ZONE", help="Of all its times (default REVOADA_TIMEZONE)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@campaign.command()
@click.argument("name")
@click.option("--template", required=True, metavar="NAME:LANG", help="What is sent: `revoada template list`.")
@click.option("--account", "accounts", required=True, multiple=True, metavar="NAME", help="Who sends; repeatable.")
@click.option("--recipients", required=True, type=FILE, metavar="FILE", help="To whom: a CSV or XLSX file, see above.")
@reading_options
@_plan_options
@click.pass_obj
def create(session: Session, /, name: str, recipients: str, **options: Any) -> None:
    """Make a draft with all its recipients; the last line of the output is its id.

    The recipients are a CSV file as any spreadsheet saves it, or XLSX (held whole in memory, 0.4 GB for a million rows
    of three columns; CSV takes 60 MB at any size). Percents, prices, dates and other numbers of XLSX are sent as Excel
    shows them in the language of the template; a cell that cannot be shown so rejects its row. The first row names the
    columns: one has the phones, (11) 98765-4321 or +351…; the others bring what `--set` does not give, by --map, by
    their names, or in their order if there are as many: text, and where the template has them the media of its header
    (a public https link, or the id of an upload), the ends of its buttons' links, and codes. Other columns are ignored.
    Rows that are wrong are kept with their number and the reason (`revoada campaign import-errors`), a phone that comes
    again is dropped; both are counted. A time without an offset is in the campaign's time zone.

    \b
    Examples:
      revoada campaign create 'Black Friday' --template promo:pt_BR --account sales --recipients people.csv
      revoada campaign create Newsletter --template news:pt_BR --account sales --account support \\
        --recipients people.csv --schedule-at 2026-11-27T09:00 --interval 2 \\
        --pause-after 200 --pause-for 600 --window 09:00-18:00 --weekdays mon-fri
      revoada campaign create Natal --template natal:pt_BR --account sales --recipients clientes.xlsx \\
        --phone-column Celular --map 1=Nome --map 2=Desconto --consent-column Origem
      revoada campaign create Catalogue --template catalogue:pt_BR --account sales --recipients people.csv \\
        --set header=https://example.com/catalogue.pdf --set 'file name=Catalogue.pdf' --set 'button 2=STOP'
    """
    with open_reading(session, recipients, options) as reading:
        wishes = replace(_read_wishes(options, name=name), recipients=Path(recipients), reading=reading)
        planned = create_campaign(
            session.database, wishes, time_zone=session.settings.time_zone, secret_key=session.settings.secret_key
        )
    warn(planned)
    report_import(session, planned)
    click.echo(planned.id)


@campaign.command("set")
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--name", help="A new name.")
@click.option("--template", metavar="NAME:LANG", help="Another template with as many variables.")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="These accounts instead; repeatable.")
@_plan_options
@click.option("--no-schedule", is_flag=True, help="Without a time to wait for.")
@click.option("--no-start-within", is_flag=True, help="However late it starts.")
@click.option("--no-max-per-person", is_flag=True, help="However many of other campaigns they had.")
@click.option("--no-expire", is_flag=True, help="Without an end.")
@click.option("--no-holidays", is_flag=True, help="Also on public holidays.")
@click.option("--no-pause", is_flag=True, help="Without pauses.")
@click.option("--no-window", is_flag=True, help="At all hours.")
@click.pass_obj
def set_(session: Session, /, campaign_id: int, name: str | None, **options: Any) -> None:
    """Change a campaign, also while it runs: the next slice, within seconds, reads it.

    What is not given stays. `--interval 0` and `--weekdays mon-sun` take those limits away, `--set KEY=` an optional
    value of the template.

    \b
    Examples:
      revoada campaign set 7 --interval 0 --no-pause
      revoada campaign set 7 --account sales --account support
      revoada campaign set 7 --set header=https://example.com/new.png
      revoada campaign set 7 --window 08:00-20:00 --timezone America/Manaus
    """
    for given, cleared in _CLEARED:
        if options[given] is not None and options[cleared]:
            raise click.UsageError(f"Give --{given.replace('_', '-')} or --{cleared.replace('_', '-')}, not both.")
    wishes = _read_wishes(options, name=name)
    if wishes == Wishes():
        raise click.UsageError("Nothing to change: give at least one option.")
    planned = change_campaign(session.database, campaign_id, wishes)
    session.ring([planned.id] if planned.rings else [])
    warn(planned)
    click.echo(f"Campaign {planned.id} ({planned.name}) is changed.")


@campaign.command()
@click.argument("campaign_ids", type=int, nargs=-1, required=True, metavar="ID…")
@click.option("--yes", is_flag=True, help="Do not ask, however many messages.")
@click.pass_obj
def start(session: Session, campaign_ids: Sequence[int], yes: bool) -> None:
    """Start drafts, all or none; a draft with a time to come is scheduled.

    Above REVOADA_CONFIRM_ABOVE messages (default 1,000) a terminal is asked first; a script never is.

    \b
    Examples:
      revoada campaign start 7 8 9
      revoada campaign start 7 --yes
    """
    if not yes and has_terminal():
        _confirm(session, campaign_ids)
    _move(session, lifecycle.start_campaigns, campaign_ids)


@campaign.command()
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--to", "phones", multiple=True, required=True, metavar="PHONE", help="+5511999990000; repeatable.")
@click.option("--wait", type=click.FloatRange(0), default=30.0, metavar="S", help="Seconds to wait (default 30).")
@click.pass_obj
def test(session: Session, campaign_id: int, phones: Sequence[str], wait: float) -> None:
    """Send what the first people of a campaign will get to phones of your own, and say what became of it.

    The messages are real. They are marked as a test, counted apart from the campaign, and know neither its pace nor its
    window; `campaign show ID` lists the tests. Suppressed phones are refused. A worker must be running.

    \b
    Example:
      revoada campaign test 7 --to +5511999990000 --to +5521988880000
    """
    test_id = start_test(
        session.database, campaign_id, session.read_phones(phones), secret_key=session.settings.secret_key
    )
    session.ring([test_id])
    messages = await_test(session.database, test_id, seconds=wait)
    for message in messages:
        reason = " ".join(str(part) for part in (message.error_code, message.error_title) if part is not None)
        click.echo(f"{message.phone} {message.status}{f': {reason}' if reason else ''}")
    if any(message.status in OPEN for message in messages):
        raise Refusal(f"Not all is sent yet: is a worker running? See `revoada campaign show {test_id}`.")
    if not all(message.status in ACCEPTED for message in messages):
        raise Refusal(f"Not all was sent: `revoada campaign show {test_id}` shows more.")


@campaign.command()
@click.argument("campaign_ids", type=int, nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def pause(session: Session, campaign_ids: Sequence[int]) -> None:
    """Pause campaigns, all or none: within two seconds nothing more is sent but what is on the wire.

    \b
    Example:
      revoada campaign pause 7
    """
    _move(session, lifecycle.pause_campaigns, campaign_ids)


@campaign.command()
@click.argument("campaign_ids", type=int, nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def resume(session: Session, campaign_ids: Sequence[int]) -> None:
    """Let paused campaigns go on where they stopped, all or none.

    \b
    Example:
      revoada campaign resume 7
    """
    _move(session, lifecycle.resume_campaigns, campaign_ids)


@campaign.command()
@click.argument("campaign_ids", type=int, nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def cancel(session: Session, campaign_ids: Sequence[int]) -> None:
    """End campaigns for good, all or none; what was not sent yet never is.

    \b
    Example:
      revoada campaign cancel 7
    """
    _move(session, lifecycle.cancel_campaigns, campaign_ids)


def _confirm(session: Session, ids: Sequence[int]) -> None:
    rows = session.database.run(list_campaigns, ids)
    message_count = sum(row.counts.get(Status.PENDING, 0) for row in rows)
    if message_count > session.settings.confirm_above:
        names = ", ".join(f"{row.id} ({row.name})" for row in rows)
        click.confirm(f"Start campaign {names}: {count(message_count, 'message')}?", abort=True)


def _move(session: Session, use_case: Callable[[Database, Sequence[int]], list[Move]], ids: Sequence[int]) -> None:
    moves = use_case(session.database, ids)
    session.ring(lifecycle.rung_ids(moves))
    for move in moves:
        click.echo(f"Campaign {move.id} ({move.name}) is {move.new}.")


def _read_wishes(options: dict[str, Any], *, name: str | None) -> Wishes:
    return Wishes(
        name=name,
        template=options["template"],
        accounts=options["accounts"],
        schedule=NO_SCHEDULE if options.get("no_schedule") else options["schedule_at"],
        start_within_seconds=options["start_within"],
        has_no_start_within=options.get("no_start_within", False),
        max_per_person=options["max_per_person"],
        within_days=options["within"],
        has_no_cap=options.get("no_max_per_person", False),
        expire=NO_EXPIRY if options.get("no_expire") else options["expire_at"],
        interval_seconds=options["interval"],
        pause_after=options["pause_after"],
        pause_seconds=options["pause_for"],
        has_no_pause=options.get("no_pause", False),
        window=NO_WINDOW if options.get("no_window") else options["window"],
        weekdays=options["weekdays"],
        uses_recipient_zones=options["recipient_timezone"],
        holidays=options["holidays"],
        has_no_holidays=options.get("no_holidays", False),
        time_zone=options["timezone"],
        parameters=dict(options["parameters"]) or None,
    )


for _command in (preview_, list_, show, watch, import_, import_errors, errors, retry, retry_uncertain, export):
    campaign.add_command(_command)
