"""`revoada check-setup`: what is there, what is missing, and what to do about it."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from campaigns.cli.output import json_option, print_json
from campaigns.cli.session import Session
from campaigns.config import SettingsError
from campaigns.doctor.setup_checks import Check, State, judge_processes
from campaigns.store.database import Database

_WAIT_SECONDS = 3.0
_MARKS = {State.OK: ("✓", "green"), State.MISSING: ("✗", "red"), State.UNKNOWN: ("?", "yellow")}


def _read_url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (urlsplit(value).scheme not in {"https", "http"} or not urlsplit(value).netloc):
        raise click.BadParameter("it must look like https://….")
    return value


@click.command("check-setup")
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT…]")
@click.option("--webhook-url", callback=_read_url, metavar="URL", help="The public address of the webhook.")
@json_option
@click.pass_obj
def check_setup(session: Session, accounts: Sequence[str], webhook_url: str | None, as_json: bool) -> None:
    """Test each piece of the setup, and say what is missing and where to mend it; it changes nothing.

    \b
    settings   the secrets that are needed
    servers    Postgres and its migrations, Valkey
    processes  a worker on each queue, beat
    webhook    Meta's handshake, a signed event (an empty one), a wrongly signed one
    accounts   token, permissions, number, subscription of the WABA, templates of campaigns that have not ended
    apps       where Meta posts the webhooks of the accounts' app, and which

    ✓ is there, ✗ is missing (then the exit code is 1), ? could not be known.

    \b
    Examples:
      revoada check-setup --webhook-url https://hooks.example.com/webhooks/whatsapp
      revoada check-setup sales --json
    """
    checks = _run(session, accounts, webhook_url)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        _print(checks)
    if any(check.state is State.MISSING for check in checks):
        sys.exit(1)


def _run(session: Session, accounts: Sequence[str], webhook_url: str | None) -> list[Check]:
    from campaigns.doctor import setup  # noqa: PLC0415  with its HTTP client, which no other command needs

    settings = session.settings
    checks = setup.check_settings(settings)
    database = None
    if settings.database_url is not None:
        # Not the session's: that one refuses what this command shall tell.
        database = Database(
            settings.database_url, max_connections=2, wait_seconds=_WAIT_SECONDS, name="revoada command"
        )
        database.open()
        click.get_current_context().call_on_close(database.close)
    postgres, valkey = setup.check_database(database), setup.check_valkey(settings.redis_url)
    checks += [postgres, valkey, *_check_processes()]
    checks += setup.check_webhook(settings, webhook_url)
    if database is not None and postgres.state is State.OK:
        now = dt.datetime.now(dt.UTC)
        checks += setup.check_accounts(database, settings, accounts, webhook_url=webhook_url, now=now)
    else:
        checks.append(Check("accounts", "accounts", State.UNKNOWN, "not known without Postgres"))
    return checks


def _check_processes() -> list[Check]:
    """Ask over the broker. Imported here: it needs a broker in the settings."""
    try:
        from campaigns.celery import BrokerError, ask_alive  # noqa: PLC0415

        try:
            alive = ask_alive(_WAIT_SECONDS)
        except BrokerError as error:
            advice = "Start it, and look at REDIS_URL (or BROKER_URL)."
            text = f"answers: {error.reply}" if error.reply else f"does not answer: {error}"
            return [Check("processes", "broker", State.MISSING, text, advice)]
    except SettingsError as error:
        return [Check("processes", "broker", State.UNKNOWN, str(error))]
    return judge_processes(alive.queues, alive.beats)


def _print(checks: Sequence[Check]) -> None:
    subject = None
    for check in checks:
        if check.subject != subject:
            subject = check.subject
            click.secho(subject, bold=True)
        mark, colour = _MARKS[check.state]
        click.echo(f"  {click.style(mark, fg=colour)} {check.name}: {check.text}")
        if check.advice and check.state is not State.OK:
            click.echo(f"      → {check.advice}")
    missing = sum(check.state is State.MISSING for check in checks)
    click.echo("Nothing is missing." if not missing else f"{missing} of {len(checks)} are missing.")
