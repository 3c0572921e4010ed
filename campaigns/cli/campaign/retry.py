"""`revoada campaign errors` explains failures; `retry` and `retry-uncertain` send messages again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.cli.campaign.diagnosis import explain_stop
from campaigns.cli.campaign.hours import confirm_nights, describe_night_of_retry
from campaigns.cli.help import Command
from campaigns.cli.hints import _, in_commands, plural, write_command
from campaigns.cli.output import (
    confirm,
    has_terminal,
    json_option,
    local_time,
    print_facts,
    print_json,
    print_table,
    say,
)
from campaigns.cli.session import CommandError, CommandUsageError, Session, reason_option
from campaigns.cli.types import CAMPAIGN, RETRYABLE_CAMPAIGN
from campaigns.domain.campaign import Move
from campaigns.domain.message import Status
from campaigns.domain.pacing import NEEDS_PERSON
from campaigns.domain.statement import Entry, Field, Hint, HintAction, Word, deferred
from campaigns.domain.verdict import Retry
from campaigns.language import current
from campaigns.management import retries
from campaigns.management.lifecycle import ids_to_enqueue
from campaigns.management.reports import ExplainedReason, show_errors
from campaigns.store.campaigns import CampaignListing, ReasonCount
from campaigns.store.messages import FailedCount, UncertainCount


def describe_reason(reason: ReasonCount | FailedCount | UncertainCount) -> str:
    """Return the code and the title of a reason, or the title alone if there is no code.

    A title of ours is translated, and a title of Meta's is not.
    """
    title = reason.error_title if isinstance(reason, ReasonCount) else reason.title
    parts = (reason.error_code, None if title is None else current().translate(title))
    return " ".join(str(part) for part in parts if part is not None)


@click.command(cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@json_option
@click.pass_obj
def errors(session: Session, campaign_id: int, as_json: bool) -> None:
    """Show why messages failed or are uncertain: by code, with its meaning, whose fault it is, and what to do.

    If a reason has no line "send again", a second try would not help, or somebody might get the message twice.

    \b
    Example:
      revoada campaign errors 7
    """
    found = show_errors(session.database, campaign_id)
    if as_json:
        print_json([
            asdict(each.reason)
            | {"meaning": each.meaning, "fault": each.fault, "advice": in_commands(each.advice), "retry": each.retry}
            | {"waits_for_template": found.waits_for_template}
            for each in found.errors
        ])  # fmt: skip
        return
    if not found.errors:
        say(_("No message of campaign {id} has failed or is uncertain.", id=campaign_id))
    for each in found.errors:
        _print_error(each, found.campaign, waits_for_template=found.waits_for_template)
    if found.campaign.waiting_reason in NEEDS_PERSON and (why := explain_stop(session, campaign_id)):
        say(why)


def _print_error(error: ExplainedReason, campaign: CampaignListing, *, waits_for_template: bool) -> None:
    """Print one reason as a block, because its sentences are too long for the columns of a table."""
    reason, zone = error.reason, campaign.time_zone
    heading = {
        Status.FAILED: plural("{count:,} message failed", "{count:,} messages failed", reason.count),
        Status.UNCERTAIN: plural("{count:,} message uncertain", "{count:,} messages uncertain", reason.count),
        Status.SUPPRESSED: plural("{count:,} message suppressed", "{count:,} messages suppressed", reason.count),
    }[Status(reason.status)]
    say(f"{heading}: {describe_reason(reason)}")
    facts = (
        (_("meaning"), Word(error.meaning)),
        (_("fault"), Word(error.fault)),
        (_("what to do"), in_commands(error.advice)),
        (_("send again"), _describe_retry_of(error, campaign.id, waits_for_template=waits_for_template)),
        (_("first"), local_time(reason.oldest_at, zone)),
        (_("last"), local_time(reason.newest_at, zone)),
    )
    print_facts((f"  {name}", value) for name, value in facts)


def _describe_retry_of(error: ExplainedReason, campaign_id: int, *, waits_for_template: bool) -> str | None:
    if error.retry is None:
        return None
    again = Hint(HintAction.RETRY_CAMPAIGN, campaign_id, Entry(Field.RETRY_CLASS, error.retry))
    if not waits_for_template:
        return write_command(again)
    return _(
        "not yet, because the template of the campaign cannot be sent now ({diagnose} says why). First put the template"
        " right at Meta, then {sync}, then {again}.",
        diagnose=Hint(HintAction.DIAGNOSE_CAMPAIGN, campaign_id),
        sync=Hint(HintAction.SYNC_TEMPLATES),
        again=again,
    )


@click.command(cls=Command)
@click.argument("campaign_id", type=RETRYABLE_CAMPAIGN, metavar="ID")
@click.option(
    "--class",
    "retry_class",
    type=click.Choice([*map(str, Retry), retries.ALL_NAME]),
    help="The class of failures; see above.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--dry-run", is_flag=True, help="Only show which messages would be sent again.")
@reason_option
@json_option
@click.pass_obj
def retry(  # noqa: PLR0917  one per option
    session: Session, campaign_id: int, retry_class: str | None, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Send the failed messages of one class again, each with the full number of attempts.

    \b
    throttled        Meta limited the rate (130429, 131048, 131056, 80007 …)
    server           Meta's servers had a fault (131000, 131016, 131057 …)
    recipient-later  Meta withheld it from this person for now (131049, 130472): not before 24 h after the failure
    repaired         the fault of an account or a template that you have fixed (131042, 190, 132015 …); also variables
                     that did not fit the template (131008, 132000, 132012, 132018), once it is edited back at Meta
    all-retryable    all of these

    Uncertain messages are not sent again by this (see `retry-uncertain`), nor messages that would fail again (131026,
    131050, and wrong values of variables: 131009, 132005, 132008). A completed campaign runs again; a running or paused
    campaign keeps its status. Campaigns of another status are refused. If it is night for these people, this command
    asks or warns, as `revoada campaign start` does.

    \b
    Examples:
      revoada campaign retry 7 --class all-retryable --dry-run
      revoada campaign retry 7 --class recipient-later
    """
    if retry_class is None:
        raise _demand_class(session, campaign_id, as_json=as_json)
    classes = retries.find_classes(retry_class)
    if dry_run:
        done = retries.preview_retry(session.database, campaign_id, classes)
    else:
        if not yes:
            quiet = session.settings.quiet_hours
            nights = retries.find_retry_nights(session.database, campaign_id, classes, quiet=quiet)
            confirm_nights(nights, deferred("Send these messages of campaign {id} ({name}) again?"), is_retry=True)
        done = retries.retry_failed(session.database, campaign_id, classes, actor=session.actor)
    session.enqueue(ids_to_enqueue([done.move] if done.move else []))
    if as_json:
        print_json({
            "dry_run": dry_run,
            "count": done.count,
            "waiting_count": done.waiting_count,
            "waits_until": done.waits_until,
            "again": [asdict(each) for each in done.again],
            "left": [asdict(each) for each in done.left],
            "status": done.move.new if done.move else None,
        })  # fmt: skip
        return
    say(_("{campaign}: {result}", campaign=done.campaign, result=_describe(done, dry_run=dry_run)))
    _print_counts(_("goes again"), done.again)
    _print_counts(_("stays failed"), done.left)


# Each class in five words.
_CLASSES = {
    str(Retry.THROTTLED): deferred("Meta limited the rate"),
    str(Retry.SERVER): deferred("a fault of Meta's servers"),
    str(Retry.RECIPIENT_LATER): deferred("Meta withheld it for now"),
    str(Retry.REPAIRED): deferred("you have fixed the fault"),
    retries.ALL_NAME: deferred("all of these"),
}


def _demand_class(session: Session, campaign_id: int, *, as_json: bool) -> CommandError:
    """Print the classes with the number of people of each; return the error of a command without a class."""
    if not as_json:
        counts = {
            str(each): retries.preview_retry(session.database, campaign_id, frozenset({each})).count for each in Retry
        }
        counts[retries.ALL_NAME] = sum(counts.values())
        print_table(
            (_("class"), _("people"), _("meaning")),
            [(name, counts[name], _(meaning)) for name, meaning in _CLASSES.items()],
            empty="",
        )
    again = Hint(HintAction.RETRY_CAMPAIGN, campaign_id, Entry(Field.RETRY_CLASS))
    return CommandUsageError(_("Choose a class of failures: {again}.", again=again), code="usage", kind="invalid")


def _describe(done: retries.Retried, *, dry_run: bool) -> str:
    if not done.count:
        return _("no failed message of this class.")
    values = {"waiting": done.waiting_count, "until": local_time(done.waits_until, done.time_zone)}
    if dry_run and done.waiting_count:
        text = plural(
            "{count:,} message would be sent again; it waits for its time, until {until}.",
            "{count:,} messages would be sent again, {waiting:,} of them only later, the last at {until}.",
            done.count,
            **values,
        )
    elif dry_run:
        text = plural("{count:,} message would be sent again.", "{count:,} messages would be sent again.", done.count)
    elif done.waiting_count:
        text = plural(
            "{count:,} message will be sent again; it waits for its time, until {until}.",
            "{count:,} messages will be sent again, {waiting:,} of them only later, the last at {until}.",
            done.count,
            **values,
        )
    else:
        text = plural("{count:,} message will be sent again.", "{count:,} messages will be sent again.", done.count)
    return text if done.move is None else f"{text} {_tell_status(done.move)}"


def _tell_status(move: Move) -> str:
    return _("It is {status}.", status=move.new)


def _print_counts(heading: str, counts: Sequence[FailedCount]) -> None:
    if counts:
        print_table(
            (heading, _("count"), _("waiting")),
            [(describe_reason(each), each.count, each.waiting_count or "") for each in counts],
            empty="",
        )


@click.command("retry-uncertain", cls=Command)
@click.argument("campaign_id", type=RETRYABLE_CAMPAIGN, metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation. Without it a terminal is needed.")
@click.option("--dry-run", is_flag=True, help="Only show which messages would be sent again.")
@reason_option
@json_option
@click.pass_obj
def retry_uncertain(session: Session, campaign_id: int, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Send uncertain messages again, each with the full number of attempts. Some people may get the message TWICE.

    Uncertain means that nobody knows whether Meta has the message. A missing webhook proves nothing: it may be late, or
    lost. So wait for webhooks first. Only a person can take this risk.

    A message that a webhook settles before it is claimed is not sent again. Suppressed people get none. A completed
    campaign runs again; a running or paused campaign keeps its status. Campaigns of another status are refused.

    \b
    Examples:
      revoada campaign retry-uncertain 7 --dry-run
      revoada campaign retry-uncertain 7
    """
    done = retries.preview_uncertain(session.database, campaign_id)
    if done.count and not dry_run:
        _confirm_twice(session, campaign_id, done, yes=yes)
        done = retries.retry_uncertain_messages(session.database, campaign_id, actor=session.actor, at_most=done.count)
        session.enqueue(ids_to_enqueue([done.move] if done.move else []))
    if as_json:
        print_json({
            "dry_run": dry_run,
            "count": done.count,
            "suppressed_count": done.suppressed_count,
            "erased_count": done.erased_count,
            "newest_at": done.newest_at,
            "reasons": [asdict(each) for each in done.reasons],
            "status": done.move.new if done.move else None,
        })  # fmt: skip
        return
    say(_("{campaign}: {result}", campaign=done.campaign, result=_describe_retry(done, dry_run=dry_run)))
    if done.suppressed_count:
        text = plural(
            "{count:,} message of people who want no messages stays uncertain.",
            "{count:,} messages of people who want no messages stay uncertain.",
            done.suppressed_count,
        )
        say(text)
    if done.erased_count:
        text = plural(
            "{count:,} message of people who were erased stays uncertain.",
            "{count:,} messages of people who were erased stay uncertain.",
            done.erased_count,
        )
        say(text)


def _confirm_twice(session: Session, campaign_id: int, uncertain: retries.UncertainRetry, *, yes: bool) -> None:
    """Ask for confirmation, and name the night. If there is no terminal, raise CommandError.

    `yes` confirms without a question.
    """
    if yes:
        return
    risk = plural(
        "{campaign}: {count:,} person might get this message twice. It may have left at {time}; a missing webhook "
        "proves nothing.",
        "{campaign}: up to {count:,} people might get this message twice. The last of these messages may have left at "
        "{time}; a missing webhook proves nothing.",
        uncertain.count,
        campaign=uncertain.campaign,
        time=local_time(uncertain.newest_at, uncertain.time_zone),
    )
    if not has_terminal():
        raise CommandError(_("{risk} Say --yes if that is what you want.", risk=risk))
    say(risk)
    for night in retries.find_uncertain_nights(session.database, campaign_id, quiet=session.settings.quiet_hours):
        say(describe_night_of_retry(night))
    confirm(
        plural("Send {count:,} uncertain message again?", "Send {count:,} uncertain messages again?", uncertain.count),
        _("Nothing is sent again. To send later, run this command again."),
    )


def _describe_retry(done: retries.UncertainRetry, *, dry_run: bool) -> str:
    if not done.count:
        return _("no uncertain message that could be sent again.")
    if dry_run:
        text = plural(
            "{count:,} uncertain message would be sent again, and {count:,} person might get it twice.",
            "{count:,} uncertain messages would be sent again, and up to {count:,} people might get it twice.",
            done.count,
        )
    else:
        text = plural(
            "{count:,} uncertain message will be sent again, and {count:,} person might get it twice.",
            "{count:,} uncertain messages will be sent again, and up to {count:,} people might get it twice.",
            done.count,
        )
    return text if done.move is None else f"{text} {_tell_status(done.move)}"
