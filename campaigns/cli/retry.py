"""`revoada campaign errors`, `retry` and `retry-uncertain`: what failed and what is sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import click

from campaigns.cli.output import count, has_terminal, json_option, local_time, print_facts, print_json, print_table
from campaigns.cli.session import Refusal, Session
from campaigns.domain.verdict import Retry
from campaigns.management import retries
from campaigns.management.lifecycle import rung_ids
from campaigns.management.reports import ExplainedReason, show_errors
from campaigns.store.campaigns import CampaignListing, ReasonCount
from campaigns.store.messages import FailedCount, UncertainCount

_ALL = "all-retryable"


def describe_reason(reason: ReasonCount | FailedCount | UncertainCount) -> str:
    """Return Meta's code and title, or our own words where there is no code."""
    title = reason.error_title if isinstance(reason, ReasonCount) else reason.title
    return " ".join(str(part) for part in (reason.error_code, title) if part is not None)


@click.command()
@click.argument("campaign_id", type=int, metavar="ID")
@json_option
@click.pass_obj
def errors(session: Session, campaign_id: int, as_json: bool) -> None:
    """Show why messages failed or are uncertain: by code, with what Meta means, whose fault it is, and what to do.

    Where nothing is said of sending again, it would not help, or somebody might get the message twice.

    \b
    Example:
      revoada campaign errors 7
    """
    found = show_errors(session.database, campaign_id)
    if as_json:
        print_json([
            asdict(each.reason)
            | {"meaning": each.meaning, "fault": each.fault, "advice": each.advice, "retry": each.retry}
            for each in found.errors
        ])  # fmt: skip
        return
    if not found.errors:
        click.echo(f"No message of campaign {campaign_id} has failed or is uncertain.")
    for each in found.errors:
        _print_error(each, found.campaign)


def _print_error(error: ExplainedReason, campaign: CampaignListing) -> None:
    """Print one reason as a block: its sentences are too long for the columns of a table."""
    reason, zone = error.reason, campaign.time_zone
    click.echo(f"{count(reason.count, 'message')} {reason.status}: {describe_reason(reason)}")
    print_facts([
        ("  meaning", error.meaning),
        ("  fault", error.fault),
        ("  what to do", error.advice),
        ("  send again", f"revoada campaign retry {campaign.id} --class {error.retry}" if error.retry else None),
        ("  first", local_time(reason.oldest_at, zone)),
        ("  last", local_time(reason.newest_at, zone)),
    ])  # fmt: skip


@click.command()
@click.argument("campaign_id", type=int, metavar="ID")
@click.option(
    "--class",
    "retry_class",
    required=True,
    type=click.Choice([*map(str, Retry), _ALL]),
    help="Which failures; see above.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would go again, and what not.")
@json_option
@click.pass_obj
def retry(session: Session, campaign_id: int, retry_class: str, dry_run: bool, as_json: bool) -> None:
    """Send failed messages again, those of one class, each with all its attempts.

    \b
    throttled        Meta had enough for the moment (130429, 131048, 131056, 80007 …)
    server           Meta's servers had a fault (131000, 131016, 131057 …)
    recipient-later  withheld from this person for now (131049, 130472): not before 24 h after the failure
    repaired         the account or the template, once you have mended it (131042, 190, 132015 …)
    all-retryable    all of these

    What is uncertain is never sent again by this (see `retry-uncertain`), nor what would fail again (131026, 131050,
    wrong variables). A completed campaign runs again; a paused one stays paused; a cancelled one is refused.

    \b
    Examples:
      revoada campaign retry 7 --class all-retryable --dry-run
      revoada campaign retry 7 --class recipient-later
    """
    classes = retries.ALL if retry_class == _ALL else frozenset({Retry(retry_class)})
    run = retries.preview_retry if dry_run else retries.retry_failed
    done = run(session.database, campaign_id, classes)
    session.ring(rung_ids([done.move] if done.move else []))
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
    click.echo(f"{done.campaign}: {_describe(done, dry_run=dry_run)}")
    _print_counts("goes again", done.again)
    _print_counts("stays failed", done.left)


def _describe(done: retries.Retried, *, dry_run: bool) -> str:
    if not done.count:
        return "no failed message of this class."
    text = f"{count(done.count, 'message')} {'would be' if dry_run else 'will be'} sent again"
    if done.waiting_count:
        until = local_time(done.waits_until, done.time_zone)
        text += f", {done.waiting_count:,} of them wait for their time, the last until {until}"
    return f"{text}." if done.move is None else f"{text}. It is {done.move.new}."


def _print_counts(heading: str, counts: Sequence[FailedCount]) -> None:
    if counts:
        print_table(
            (heading, "count", "waiting"),
            [(describe_reason(each), each.count, each.waiting_count or "") for each in counts],
            empty="",
        )


@click.command("retry-uncertain")
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask. Without it a terminal is needed.")
@click.option("--dry-run", is_flag=True, help="Only show what would go again, and what not.")
@json_option
@click.pass_obj
def retry_uncertain(session: Session, campaign_id: int, yes: bool, dry_run: bool, as_json: bool) -> None:
    """Send uncertain messages again, each with all its attempts. Some people may get the message TWICE.

    Uncertain means that nobody knows whether Meta has the message. A webhook that did not come proves nothing: it may
    be late, or lost. So wait for webhooks first; this is the last way out, and only a person can take it.

    What a webhook settles before it is claimed does not go again. Who wants no messages stays out. A completed campaign
    runs again; a paused one stays paused; others are refused.

    \b
    Examples:
      revoada campaign retry-uncertain 7 --dry-run
      revoada campaign retry-uncertain 7
    """
    done = retries.preview_uncertain(session.database, campaign_id)
    if done.count and not dry_run:
        _confirm_twice(done, yes=yes)
        done = retries.retry_doubted(session.database, campaign_id, at_most=done.count)
        session.ring(rung_ids([done.move] if done.move else []))
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
    click.echo(f"{done.campaign}: {_describe_doubts(done, dry_run=dry_run)}")
    left = ((done.suppressed_count, "of people who want no messages"), (done.erased_count, "of people who were erased"))
    for number, whose in left:
        if number:
            click.echo(f"{count(number, 'message')} {whose} {'stays' if number == 1 else 'stay'} uncertain.")


def _confirm_twice(doubts: retries.Redoubted, *, yes: bool) -> None:
    """Ask a person, or refuse where there is none and nobody has agreed."""
    if yes:
        return
    risk = (
        f"{doubts.campaign}: {_people(doubts.count)} might get this message twice. The last of these messages may have "
        f"left at {local_time(doubts.newest_at, doubts.time_zone)}; a webhook that did not come proves nothing."
    )
    if not has_terminal():
        raise Refusal(f"{risk} Say --yes if that is what you want.")
    click.echo(risk)
    click.confirm(f"Send {count(doubts.count, 'uncertain message')} again?", abort=True)


def _people(number: int) -> str:
    return "1 person" if number == 1 else f"up to {number:,} people"


def _describe_doubts(done: retries.Redoubted, *, dry_run: bool) -> str:
    if not done.count:
        return "no uncertain message that could be sent again."
    text = f"{count(done.count, 'uncertain message')} {'would be' if dry_run else 'will be'} sent again"
    text += f", and {_people(done.count)} might get it twice"
    return f"{text}." if done.move is None else f"{text}. It is {done.move.new}."
