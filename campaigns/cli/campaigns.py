"""`revoada campaign`: made, changed, started, paused, resumed, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from campaigns import lifecycle
from campaigns.cli.listing import list_, show
from campaigns.cli.output import count
from campaigns.cli.session import Session
from campaigns.cli.types import DURATION, FILE, HOLIDAYS, WEEKDAYS, WINDOW, ZONE
from campaigns.cli.watch import watch
from campaigns.domain.campaign import Move
from campaigns.planning import NO_EXPIRY, NO_SCHEDULE, NO_WINDOW, Planned, Wishes, change_campaign, create_campaign
from campaigns.store.database import Database
from campaigns.store.recipients import list_import_errors

# Of the rejected rows that are shown at once; `campaign show` has more.
_SHOWN_ROWS = 5


# Options of `campaign set` that take away what another gives.
_CLEARED = (
    ("schedule_at", "no_schedule"),
    ("start_within", "no_start_within"),
    ("expire_at", "no_expire"),
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
        click.option("--timezone", type=ZONE, metavar="ZONE", help="Of all its times (default REVOADA_TIMEZONE)."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@campaign.command()
@click.argument("name")
@click.option("--template", required=True, metavar="NAME:LANG", help="What is sent: `revoada template list`.")
@click.option("--account", "accounts", required=True, multiple=True, metavar="NAME", help="Who sends; repeatable.")
@click.option("--recipients", required=True, type=FILE, metavar="FILE", help="To whom: a UTF-8 CSV file, see above.")
@_plan_options
@click.pass_obj
def create(session: Session, /, name: str, recipients: str, **options: Any) -> None:
    """Make a draft with all its recipients; the last line of the output is its id.

    The recipients are a UTF-8 CSV file with a column `phone` (+5511999990000) and one column for each variable of the
    template, in their order. Rows that are wrong are kept with their number and the reason, a phone that comes again
    is dropped; both are counted. A time without an offset is in the campaign's time zone.

    \b
    Examples:
      revoada campaign create 'Black Friday' --template promo:pt_BR --account sales --recipients people.csv
      revoada campaign create Newsletter --template news:pt_BR --account sales --account support \\
        --recipients people.csv --schedule-at 2026-11-27T09:00 --interval 2 \\
        --pause-after 200 --pause-for 600 --window 09:00-18:00 --weekdays mon-fri
    """
    wishes = _read_wishes(options, name=name, recipients=Path(recipients))
    planned = create_campaign(session.database, wishes, time_zone=session.settings.time_zone)
    _report_import(session.database, planned)
    click.echo(planned.id)


@campaign.command("set")
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--name", help="A new name.")
@click.option("--template", metavar="NAME:LANG", help="Another template with as many variables.")
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="These accounts instead; repeatable.")
@click.option("--recipients", type=FILE, metavar="FILE", help="More people, for a draft or a paused campaign.")
@_plan_options
@click.option("--no-schedule", is_flag=True, help="Without a time to wait for.")
@click.option("--no-start-within", is_flag=True, help="However late it starts.")
@click.option("--no-expire", is_flag=True, help="Without an end.")
@click.option("--no-holidays", is_flag=True, help="Also on public holidays.")
@click.option("--no-pause", is_flag=True, help="Without pauses.")
@click.option("--no-window", is_flag=True, help="At all hours.")
@click.pass_obj
def set_(session: Session, /, campaign_id: int, name: str | None, recipients: str | None, **options: Any) -> None:
    """Change a campaign, also while it runs: the next slice, within seconds, reads it.

    What is not given stays. `--interval 0` and `--weekdays mon-sun` take those limits away.

    \b
    Examples:
      revoada campaign set 7 --interval 0 --no-pause
      revoada campaign set 7 --account sales --account support
      revoada campaign set 7 --window 08:00-20:00 --timezone America/Manaus
    """
    for given, cleared in _CLEARED:
        if options[given] is not None and options[cleared]:
            raise click.UsageError(f"Give --{given.replace('_', '-')} or --{cleared.replace('_', '-')}, not both.")
    wishes = _read_wishes(options, name=name, recipients=Path(recipients) if recipients else None)
    if wishes == Wishes():
        raise click.UsageError("Nothing to change: give at least one option.")
    planned = change_campaign(session.database, campaign_id, wishes)
    session.ring([planned.id] if planned.rings else [])
    _report_import(session.database, planned)
    click.echo(f"Campaign {planned.id} ({planned.name}) is changed.")


@campaign.command()
@click.argument("campaign_ids", type=int, nargs=-1, required=True, metavar="ID…")
@click.pass_obj
def start(session: Session, campaign_ids: Sequence[int]) -> None:
    """Start drafts, all or none; a draft with a time to come is scheduled.

    \b
    Example:
      revoada campaign start 7 8 9
    """
    _move(session, lifecycle.start_campaigns, campaign_ids)


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


def _move(session: Session, use_case: Callable[[Database, Sequence[int]], list[Move]], ids: Sequence[int]) -> None:
    moves = use_case(session.database, ids)
    session.ring(lifecycle.rung_ids(moves))
    for move in moves:
        click.echo(f"Campaign {move.id} ({move.name}) is {move.new}.")


def _read_wishes(options: dict[str, Any], *, name: str | None, recipients: Path | None) -> Wishes:
    return Wishes(
        name=name,
        template=options["template"],
        accounts=options["accounts"],
        recipients=recipients,
        schedule=NO_SCHEDULE if options.get("no_schedule") else options["schedule_at"],
        start_within_seconds=options["start_within"],
        has_no_start_within=options.get("no_start_within", False),
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
    )


def _report_import(database: Database, planned: Planned) -> None:
    if planned.counts is None:
        return
    numbers = [count(planned.counts.recipient_count, "recipient")]
    if planned.counts.duplicate_count:
        numbers.append(f"{count(planned.counts.duplicate_count, 'duplicate')} dropped")
    if planned.counts.rejected_count:
        numbers.append(f"{count(planned.counts.rejected_count, 'row')} rejected")
    click.echo(f"Campaign {planned.id} ({planned.name}): {', '.join(numbers)}.")
    if planned.counts.rejected_count:
        for row in database.run(list_import_errors, planned.id, limit=_SHOWN_ROWS):
            click.echo(f"  row {row.row_number}: {row.column_name} {row.reason}")
        if planned.counts.rejected_count > _SHOWN_ROWS:
            click.echo(f"  … see `revoada campaign show {planned.id}`")


for _command in (list_, show, watch):
    campaign.add_command(_command)
