"""`revoada doctor` finds problems, `check-setup` finds missing parts, and `recover` prepares a restored database."""

from __future__ import annotations

import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from urllib.parse import urlsplit

import click

from campaigns.cli.campaign.diagnosis import ask_broker
from campaigns.cli.env_file import warn_of_overridden
from campaigns.cli.help import Command
from campaigns.cli.hints import _, advise, in_commands, plural
from campaigns.cli.output import (
    confirm,
    has_terminal,
    json_option,
    local_time,
    print_json,
    print_table,
    say,
)
from campaigns.cli.session import CommandError, Session, advise_up, reason_option
from campaigns.cli.types import ACCOUNT, CAMPAIGN, writes_day_first
from campaigns.config import SettingsError
from campaigns.doctor.recover import Fate, Recovery, RecoveryFate, preview_recovery
from campaigns.doctor.recover import recover as recover_database
from campaigns.doctor.setup_checks import PROCESSES, Check, State, judge_processes
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.controls import escape_controls
from campaigns.domain.schedule import read_moment
from campaigns.domain.statement import Count, Finding, Hint, HintAction, Sentence, Severity, Word, deferred
from campaigns.store.database import Database, read_clock

_WAIT_SECONDS = 3.0
# The worst finding decides the exit code of `revoada doctor`, which scripts read.
_EXIT_CODES = {Severity.NOTE: 0, Severity.WARNING: 1, Severity.ERROR: 2}
_MARKS = {Severity.ERROR: ("✗", "red"), Severity.WARNING: ("!", "yellow"), Severity.NOTE: ("·", "cyan")}


@click.command(cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, required=False, metavar="[CAMPAIGN]")
@json_option
@click.pass_obj
def doctor(session: Session, campaign_id: int | None, as_json: bool) -> None:
    """Find out why campaigns are not sent, and what to do about it.

    With a campaign: its problems in the order in which one would look, and what it waits for. Counters that differ from
    a recount are repaired and reported; nothing else is changed.

    \b
    exit code  0  no problem (a line with · explains)
               1  sending continues, but not as well as it could (!)
               2  something is not sent until a person acts (✗)

    \b
    Examples:
      revoada doctor
      revoada doctor 34
      revoada doctor --json
    """
    from campaigns.doctor.diagnose import diagnose  # noqa: PLC0415  loads a client of Valkey

    settings = session.settings
    # An unreachable database is a finding here. `session.database` would end the command with an error.
    database = Database(
        session.database_url,
        max_connections=2,
        wait_seconds=_WAIT_SECONDS,
        statement_seconds=2 * _WAIT_SECONDS,
        is_pooled=settings.is_pooled,
    )
    database.open()
    click.get_current_context().call_on_close(database.close)
    broker = ask_broker()
    findings = diagnose(database, settings, broker, campaign_id, actor=session.actor, explain=session.why_unreachable)
    if as_json:
        print_json([_finding_to_json(finding) for finding in findings])
    else:
        _print_findings(findings)
    sys.exit(max((_EXIT_CODES[finding.severity] for finding in findings), default=0))


def _finding_to_json(finding: Finding) -> dict[str, object]:
    return {
        "kind": finding.code,
        "severity": finding.severity,
        "text": in_commands(finding),
        "advice": advise(finding),
        "campaign_id": finding.campaign_id,
    }


def _print_findings(findings: Sequence[Finding]) -> None:
    for finding in findings:
        mark, colour = _MARKS[finding.severity]
        say(in_commands(finding), mark=f"{click.style(mark, fg=colour)} ")
        say(f"    → {advise_up(advise(finding)) if finding.code == 'database_away' else advise(finding)}")
    found = Counter(finding.severity for finding in findings)
    errors, warnings = Count(found[Severity.ERROR], "error"), Count(found[Severity.WARNING], "warning")
    if counts := [each for each in (errors, warnings) if each.number]:
        say(_("{counts}.", counts=counts))
    else:
        text = deferred(
            "Nothing is wrong, as far as this machine knows. This command does not ask Meta: {check} does, for example"
            " whether Meta refuses a token."
        )
        say(_(text, check=Hint(HintAction.CHECK_SETUP)))


_CHECK_MARKS = {State.OK: ("✓", "green"), State.MISSING: ("✗", "red"), State.UNKNOWN: ("?", "yellow")}


_EXAMPLE_HOSTS = {"your.host", "seu.host"}


def _read_url(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    if value is not None and (urlsplit(value).scheme not in {"https", "http"} or not urlsplit(value).netloc):
        raise click.BadParameter(_("it must look like https://…."))
    if value is not None and (urlsplit(value).hostname in _EXAMPLE_HOSTS or "…" in value):
        text = _("{url} is the address of an example: give the public address of your webhook.", url=value)
        raise click.BadParameter(text)
    return value


@click.command("check-setup", cls=Command)
@click.argument("accounts", type=ACCOUNT, nargs=-1, metavar="[ACCOUNT…]")
@click.option("--webhook-url", callback=_read_url, metavar="URL", help="The public address of the webhook.")
@json_option
@click.pass_obj
def check_setup(session: Session, accounts: Sequence[str], webhook_url: str | None, as_json: bool) -> None:
    """Test each piece of the setup, and show what is missing and where to fix it; it changes nothing.

    \b
    settings   the secrets that are needed
    servers    Postgres and its migrations, Valkey
    processes  a worker on each queue, beat
    webhook    Meta's handshake, an event with a good signature, an event with a wrong signature
    accounts   token, permissions, number, subscription of the WABA, templates of campaigns that have not ended
    apps       the address to which Meta posts the webhooks of an account's app, and the app's subscribed fields

    ✓ there, ✗ missing (the exit code is 1), ? not known.

    \b
    Examples:
      revoada check-setup --webhook-url https://hooks.example.com/webhooks/whatsapp
      revoada check-setup sales --json
    """
    warn_of_overridden()
    checks = _run(session, accounts, webhook_url)
    if as_json:
        print_json([_check_to_json(check) for check in checks])
    else:
        _print_checks(checks)
    if any(check.state is State.MISSING for check in checks):
        sys.exit(1)


def _check_to_json(check: Check) -> dict[str, object]:
    return {
        "subject": str(check.subject),
        "name": str(check.name),
        "state": check.state,
        "text": str(check.text),
        "advice": "" if check.advice is None else in_commands(check.advice),
    }


def _run(session: Session, accounts: Sequence[str], webhook_url: str | None) -> list[Check]:
    from campaigns.doctor import setup  # noqa: PLC0415  loads an HTTP client

    settings = session.settings
    checks = setup.check_settings(settings)
    database = None
    if settings.database_url is not None:
        # An unreachable database is a failed check here. `session.database` would end the command with an error.
        database = Database(
            settings.database_url,
            max_connections=2,
            wait_seconds=_WAIT_SECONDS,
            name="revoada command",
            is_pooled=settings.is_pooled,
        )
        database.open()
        click.get_current_context().call_on_close(database.close)
    postgres = setup.check_database(database, explain=session.why_unreachable)
    valkey = setup.check_valkey(settings.redis_url)
    checks += [postgres, valkey, *_check_processes()]
    checks += setup.check_webhook(settings, webhook_url)
    if database is not None and postgres.state is State.OK:
        now = dt.datetime.now(dt.UTC)
        checks += setup.check_accounts(database, settings, accounts, webhook_url=webhook_url, now=now)
    else:
        checks.append(Check(setup.ACCOUNTS, setup.ACCOUNTS, State.UNKNOWN, Sentence("not known without Postgres")))
    return checks


def _check_processes() -> list[Check]:
    """Ask over the broker which processes are alive, and judge the answers.

    The imports are in the function, because the imported modules need a broker in the settings.
    """
    try:
        from campaigns.broker.inspection import BrokerError, find_live_processes  # noqa: PLC0415
        from campaigns.celery import app  # noqa: PLC0415

        try:
            alive = find_live_processes(app, _WAIT_SECONDS)
        except BrokerError as error:
            advice = Sentence("Start it, and look at REDIS_URL (or BROKER_URL).")
            text = Sentence("does not answer: {error}", error=error)
            if error.reply:
                text = Sentence("answers: {reply}", reply=error.reply)
            if error.tls_error:
                advice = Sentence("Look at the certificate, and at REDIS_URL (or BROKER_URL).")
                text = Sentence("TLS fails: {error}", error=error.tls_error)
            return [Check(PROCESSES, Word("broker"), State.MISSING, text, advice)]
    except SettingsError as error:
        return [Check(PROCESSES, Word("broker"), State.UNKNOWN, error)]
    return judge_processes(alive.queues, alive.beats)


def _print_checks(checks: Sequence[Check]) -> None:
    subject = None
    for check in checks:
        if (named := _("{subject}", subject=check.subject)) != subject:
            subject = named
            say(mark=click.style(escape_controls(subject), bold=True))
        mark, colour = _CHECK_MARKS[check.state]
        say(_("{name}: {text}", name=check.name, text=check.text), mark=f"  {click.style(mark, fg=colour)} ")
        if check.advice and check.state is not State.OK:
            advice = in_commands(check.advice)
            say(f"      → {advise_up(advice) if check.name == 'Postgres' else advice}")
    missing = sum(check.state is State.MISSING for check in checks)
    unknown = sum(check.state is State.UNKNOWN for check in checks)
    if missing:
        say(plural("{count} of {checks} is missing.", "{count} of {checks} are missing.", missing, checks=len(checks)))
    elif unknown:
        text = plural(
            "Nothing is missing, as far as this command could look. It could not check {count} of {checks} parts: look"
            " at the line with a ?.",
            "Nothing is missing, as far as this command could look. It could not check {count} of {checks} parts: look"
            " at the lines with a ?.",
            unknown,
            checks=len(checks),
        )
        say(text)
    else:
        say(_("Nothing is missing."))


_FATES = {
    Fate.UNCERTAIN: Word("all uncertain, and paused"),
    Fate.UNCERTAIN_ONLY: Word("all uncertain"),
    Fate.PAUSE: Word("paused: it is scheduled for later"),
    Fate.EXCEPT: Word("as it is (--except)"),
    Fate.DONE: Word("as it is (recovered before)"),
}
_NOT_IN_THE_STATE = deferred(
    "No command can restore: campaigns, recipients and accounts that were added since; opt-outs and `revoada forget` "
    "since (Meta does not report them twice: suppress these people again before you resume anything); changes of "
    "templates (`revoada template sync`), tokens and limits."
)


@click.command(cls=Command, short_help="Prevent second copies after a restore to an older state.")
@click.option("--since", required=True, metavar="TIME", help="The time of the restored state, such as 'today 03:00'.")
@click.option(
    "--except",
    "spared",
    type=CAMPAIGN,
    multiple=True,
    metavar="ID",
    help="A campaign of which nothing was sent since; repeatable.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation. Without it a terminal is needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@reason_option
@json_option
@click.pass_obj
def recover(  # noqa: PLR0917  one per option
    session: Session, since: str, spared: Sequence[int], yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Mark as uncertain all messages that may have been sent since the time to which this database was set back.

    Use it after a restore from a backup, or a failover to a replica that lagged. Stop all processes of Revoada before,
    and start them afterwards. Each message that this database holds as unsent may have been sent. So it becomes
    uncertain, and its campaign is paused, even a draft, because somebody may have started it. A campaign whose schedule
    is in the future is only paused. --except names campaigns of which you know that nothing was sent since.

    A webhook that comes later settles its message. No uncertain message is sent again by itself.

    Then decide for each campaign: `revoada campaign resume ID` continues without the uncertain messages; `revoada
    campaign retry-uncertain ID` sends them again at the risk of a second copy. A second run changes nothing.

    \b
    Examples:
      revoada recover --since 'today 03:00' --dry-run
      revoada recover --since 'yesterday 22:30' --except 12
    """
    now = session.database.run(read_clock)
    at = read_moment(since, session.settings.time_zone, now=now, is_day_first=writes_day_first(), looks_back=True)
    done = preview_recovery(session.database, since=at, spared=spared)
    if not as_json:
        _print_plan(done, session.settings.time_zone)
    if done.has_work and not dry_run:
        _confirm(done, yes=yes)
        done = recover_database(session.database, actor=session.actor, since=at, spared=spared)
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
        say(_("This was done before: nothing was changed."))
    elif not dry_run:
        text = plural(
            "Done: {count:,} message uncertain. Start the processes, and resume the campaigns.",
            "Done: {count:,} messages uncertain. Start the processes, and resume the campaigns.",
            done.count,
        )
        say(text)


def _print_plan(plan: Recovery, zone: str) -> None:
    text = _(
        "The newest entry of this database is of {newest}; it does not know what was sent after {since}.",
        newest=local_time(plan.newest_at, zone) or _("no time"),
        since=local_time(plan.since, zone),
    )
    say(text)
    print_table(
        (_("id"), _("campaign"), _("is"), _("may have been sent"), _("becomes")),
        [_row(each) for each in plan.campaigns],
        empty=_("No campaign has a message that may have been sent."),
    )
    if plan.failed_count:
        text = plural(
            "{count:,} failed message stays failed. If somebody ran `campaign retry` since, such messages went out "
            "again then: do not retry them once more.",
            "{count:,} failed messages stay failed. If somebody ran `campaign retry` since, such messages went out "
            "again then: do not retry them once more.",
            plan.failed_count,
        )
        say(text)
    say(_(_NOT_IN_THE_STATE))


def _row(planned: RecoveryFate) -> tuple[object, ...]:
    return planned.id, planned.name, CampaignStatus(planned.status), planned.count, _FATES[planned.fate]


def _confirm(plan: Recovery, *, yes: bool) -> None:
    if yes:
        return
    if not has_terminal():
        text = _("Nothing was changed: there is no terminal to ask at. Say --yes if that is what you want.")
        raise CommandError(text)
    question = plural(
        "Make {count:,} message uncertain, and pause its campaign?",
        "Make {count:,} messages uncertain, and pause their campaigns?",
        plan.count,
    )
    confirm(question, _("Nothing was changed. With --dry-run, this command shows its plan and changes nothing."))
