"""`revoada doctor`, `check-setup` and `recover`: what is wrong, what is missing, and the work after a restore."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from campaigns.broker.queues import BrokerFacts
from campaigns.cli.output import count, has_terminal, json_option, local_time, print_json, print_table
from campaigns.cli.session import Refusal, Session
from campaigns.config import SettingsError
from campaigns.doctor.recover import Fate, Planned, Recovery, preview_recovery
from campaigns.doctor.recover import recover as recover_database
from campaigns.doctor.setup_checks import Check, State, judge_processes
from campaigns.domain.finding import Finding, Severity, exit_code
from campaigns.domain.schedule import read_moment
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
        _print_findings(findings)
    sys.exit(exit_code(findings))


def _ask_broker() -> BrokerFacts:
    """Ask who is there. Imported here: it needs a broker in the settings."""
    try:
        from campaigns.broker.inspection import BrokerError, ask_alive, count_waiting  # noqa: PLC0415
        from campaigns.celery import app  # noqa: PLC0415
    except SettingsError as error:
        return BrokerFacts(away=str(error))
    try:
        waiting = count_waiting(app, _ASK_SECONDS)
        alive = ask_alive(app, _ASK_SECONDS)
    except BrokerError as error:
        return BrokerFacts(away=str(error), reply=error.reply)
    return BrokerFacts(queues=alive.queues, beats=alive.beats, waiting=waiting)


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        mark, colour = _MARKS[finding.severity]
        click.echo(f"{click.style(mark, fg=colour)} {finding.text}")
        click.echo(f"    → {finding.advice}")
    found = Counter(finding.severity for finding in findings)
    told = [count(found[severity], severity) for severity in (Severity.ERROR, Severity.WARNING) if found[severity]]
    click.echo(f"{', '.join(told)}." if told else "Nothing is wrong.")


_CHECK_MARKS = {State.OK: ("✓", "green"), State.MISSING: ("✗", "red"), State.UNKNOWN: ("?", "yellow")}


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
        _print_checks(checks)
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
        from campaigns.broker.inspection import BrokerError, ask_alive  # noqa: PLC0415
        from campaigns.celery import app  # noqa: PLC0415

        try:
            alive = ask_alive(app, _WAIT_SECONDS)
        except BrokerError as error:
            advice = "Start it, and look at REDIS_URL (or BROKER_URL)."
            text = f"answers: {error.reply}" if error.reply else f"does not answer: {error}"
            return [Check("processes", "broker", State.MISSING, text, advice)]
    except SettingsError as error:
        return [Check("processes", "broker", State.UNKNOWN, str(error))]
    return judge_processes(alive.queues, alive.beats)


def _print_checks(checks: Sequence[Check]) -> None:
    subject = None
    for check in checks:
        if check.subject != subject:
            subject = check.subject
            click.secho(subject, bold=True)
        mark, colour = _CHECK_MARKS[check.state]
        click.echo(f"  {click.style(mark, fg=colour)} {check.name}: {check.text}")
        if check.advice and check.state is not State.OK:
            click.echo(f"      → {check.advice}")
    missing = sum(check.state is State.MISSING for check in checks)
    click.echo("Nothing is missing." if not missing else f"{missing} of {len(checks)} are missing.")


_FATES = {
    Fate.DOUBT: "all uncertain, and paused",
    Fate.DOUBT_ONLY: "all uncertain",
    Fate.PAUSE: "paused: its time is to come",
    Fate.EXCEPT: "as it is (--except)",
    Fate.DONE: "as it is (recovered before)",
}
_NOT_IN_THE_STATE = (
    "What no command can bring back: campaigns, recipients and accounts added since; opt-outs and `revoada forget` "
    "since (Meta does not tell them twice: suppress these people again before you resume anything); changes of "
    "templates (`revoada template sync`), tokens and limits."
)


@click.command(short_help="After a restore to an older state: nobody gets it twice.")
@click.option("--since", required=True, metavar="ISO", help="The time of the restored state, such as 2026-11-27T03:00.")
@click.option(
    "--except", "spared", type=int, multiple=True, metavar="ID", help="Nothing of it was sent since; repeatable."
)
@click.option("--yes", is_flag=True, help="Do not ask. Without it a terminal is needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@json_option
@click.pass_obj
def recover(  # noqa: PLR0917  one per option
    session: Session, since: str, spared: Sequence[int], yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Make uncertain what may have been sent since TIME, in a database that has forgotten it.

    For after a restore from a backup or a failover to a replica that lagged. Stop all roles first, and start them
    after it. Everything that this database holds for unsent may have gone out: so it becomes uncertain, and its
    campaign is paused, also a draft that somebody may have started. A campaign whose time is still to come is only
    paused. --except names campaigns of which you know that nothing was sent since.

    Webhooks that still come settle what they speak of, and nothing else is sent again by itself. Then, for each
    campaign: `revoada campaign resume ID` goes on without what is uncertain; `revoada campaign retry-uncertain ID`
    sends it again at the risk of a second copy. Running this twice does nothing more.

    \b
    Examples:
      revoada recover --since 2026-11-27T03:00 --dry-run
      revoada recover --since 2026-11-27T03:00 --except 12
    """
    at = read_moment(since, session.settings.time_zone)
    done = preview_recovery(session.database, since=at, spared=spared)
    if not as_json:
        _print_plan(done, session.settings.time_zone)
    if done.has_work and not dry_run:
        _confirm(done, yes=yes)
        done = recover_database(session.database, since=at, spared=spared)
    if as_json:
        print_json({
            "dry_run": dry_run,
            "since": done.since,
            "newest_at": done.newest_at,
            "count": done.count,
            "failed_count": done.failed_count,
            "campaigns": [asdict(each) for each in done.campaigns],
        })  # fmt: skip
    elif not done.has_work:
        click.echo("This was done before: nothing was changed.")
    elif not dry_run:
        click.echo(f"Done: {count(done.count, 'message')} uncertain. Start the roles, and resume what shall go on.")


def _print_plan(plan: Recovery, zone: str) -> None:
    click.echo(
        f"This database last saw something happen at {local_time(plan.newest_at, zone) or 'no time'}; what was sent "
        f"after {local_time(plan.since, zone)} is not known to it."
    )
    print_table(
        ("id", "campaign", "is", "may have been sent", "becomes"),
        [_row(each) for each in plan.campaigns],
        empty="No campaign has a message that may have been sent.",
    )
    if plan.failed_count:
        click.echo(
            f"{count(plan.failed_count, 'failed message')} {'stays' if plan.failed_count == 1 else 'stay'} failed. If "
            "somebody ran `campaign retry` since, such messages went out again then: do not retry them once more."
        )
    click.echo(_NOT_IN_THE_STATE)


def _row(planned: Planned) -> tuple[object, ...]:
    return planned.id, planned.name, planned.status, planned.count, _FATES[planned.fate]


def _confirm(plan: Recovery, *, yes: bool) -> None:
    if yes:
        return
    if not has_terminal():
        raise Refusal("Nothing was changed: there is no terminal to ask at. Say --yes if that is what you want.")
    click.confirm(f"Make {count(plan.count, 'message')} uncertain, and pause their campaigns?", abort=True)
