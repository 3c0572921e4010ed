"""`revoada doctor`: why something does not move."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.broker.queues import BrokerFacts
from campaigns.cli.output import count, json_option, print_json
from campaigns.cli.session import Session
from campaigns.config import SettingsError
from campaigns.domain.finding import Finding, Severity, exit_code
from campaigns.store.database import Database

_WAIT_SECONDS = 3.0
_ASK_SECONDS = 2.0
_MARKS = {Severity.ERROR: ("✗", "red"), Severity.WARNING: ("!", "yellow"), Severity.NOTE: ("·", "cyan")}


@click.command()
@click.argument("campaign_id", type=int, required=False, metavar="[CAMPAIGN]")
@json_option
@click.pass_obj
def doctor(session: Session, campaign_id: int | None, as_json: bool) -> None:
    """Say why something does not move, and what to do about it.

    With a campaign: what concerns it, in the order in which one would look, and what it waits for. Counters that differ
    from a recount are repaired, and it says so; nothing else is changed.

    \b
    exit code  0  nothing is wrong (· explains)
               1  it goes on, worse than it could (!)
               2  something does not move without a person (✗)

    \b
    Examples:
      revoada doctor
      revoada doctor 34
      revoada doctor --json
    """
    from campaigns.doctor.diagnose import diagnose  # noqa: PLC0415  with a client of Valkey, which no other command needs

    settings = session.settings
    # Not the session's: that one refuses what this command shall tell.
    database = Database(
        session.database_url, max_connections=2, wait_seconds=_WAIT_SECONDS, statement_seconds=2 * _WAIT_SECONDS
    )
    database.open()
    click.get_current_context().call_on_close(database.close)
    findings = diagnose(database, settings, _ask_broker(), campaign_id, explain=session.why_unreachable)
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    sys.exit(exit_code(findings))


def _ask_broker() -> BrokerFacts:
    """Ask who is there. Imported here: it needs a broker in the settings."""
    try:
        from campaigns.celery import BrokerError, ask_alive, count_waiting  # noqa: PLC0415
    except SettingsError as error:
        return BrokerFacts(away=str(error))
    try:
        waiting = count_waiting(_ASK_SECONDS)
        alive = ask_alive(_ASK_SECONDS)
    except BrokerError as error:
        return BrokerFacts(away=str(error), reply=error.reply)
    return BrokerFacts(queues=alive.queues, beats=alive.beats, waiting=waiting)


def _print(findings: Sequence[Finding]) -> None:
    for finding in findings:
        mark, colour = _MARKS[finding.severity]
        click.echo(f"{click.style(mark, fg=colour)} {finding.text}")
        click.echo(f"    → {finding.advice}")
    found = Counter(finding.severity for finding in findings)
    told = [count(found[severity], severity) for severity in (Severity.ERROR, Severity.WARNING) if found[severity]]
    click.echo(f"{', '.join(told)}." if told else "Nothing is wrong.")
