"""`revoada campaign create --from`: makes a draft with people of an earlier campaign, and says who they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from campaigns.cli.campaign.import_report import describe_blocked, describe_overlaps, write_message
from campaigns.cli.campaign.recipients import result_to_json, warn
from campaigns.cli.hints import _, plural
from campaigns.cli.output import confirm, has_terminal, local_time, print_json, say
from campaigns.cli.session import Session
from campaigns.cli.types import STARTED_CAMPAIGN, WholeNumber
from campaigns.management.campaigns import CampaignChanges, ChangeResult
from campaigns.management.drafts.audiences import Audience, count_audience, create_from_audience
from campaigns.management.preview import preview_campaign
from campaigns.management.recipients import find_overlaps
from campaigns.management.reports import find_campaign
from campaigns.store.recipients import AudienceCount, AudienceRow, list_audiences

# The options that only say how a file is read.
_OF_FILES = (
    *("mapping", "mobile_only", "allow_test_numbers", "allow_null", "consent_column", "refusals", "no_answer"),
    *("not_refusals", "record_refusals", "hidden", "phone_column", "region", "sheet"),
)
_OF_AUDIENCES = ("who", "uncertain", "dry_run")


def audience_options(command: Any) -> Any:
    """Add the options that take people of an earlier campaign in place of a file."""
    options = (
        click.option(
            *("--from", "source_id"),
            type=STARTED_CAMPAIGN,
            metavar="ID",
            help="Take people of this earlier campaign in place of a file …",
        ),
        click.option(
            "--who", metavar="CONDITIONS", help="… who fit these conditions, such as 'delivered, no reply'; see above."
        ),
        click.option(
            "--uncertain",
            type=WholeNumber(0, example=3),
            metavar="N",
            help="With --from: also take at most N people whose message is uncertain, without a question.",
        ),
        click.option("--dry-run", is_flag=True, help="With --from: only show how many people fit."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def check_options(recipients: str | None, options: Mapping[str, Any], *, standing: bool) -> None:
    """Raise UsageError unless the people come from a file, from an earlier campaign, or later from programs."""
    has_source = options["source_id"] is not None
    if [has_source, recipients is not None, standing].count(True) != 1 or has_source != (options["who"] is not None):
        raise click.UsageError(_("Give --recipients FILE, or --from ID with --who CONDITIONS, or --standing."))
    others = _OF_FILES * (recipients is None) + _OF_AUDIENCES * (not has_source)
    if strange := next((name for name in others if options[name] not in {None, False, ()}), None):
        names = {"mapping": "--map", "allow_test_numbers": "--allow-test-numbers"}
        option = names.get(strange, f"--{strange.replace('_', '-')}")
        if strange in _OF_FILES:
            raise click.UsageError(_("{option} says how a file is read: give --recipients FILE, too.", option=option))
        raise click.UsageError(_("{option} belongs to --from.", option=option))


def make_from_audience(
    session: Session, changes: CampaignChanges, options: Mapping[str, Any], *, as_json: bool
) -> ChangeResult | None:
    """Make a draft with people of an earlier campaign, and print where they come from; None after a dry run."""
    source_id, who, uncertain = options["source_id"], options["who"], options["uncertain"]
    if options["dry_run"]:
        _show_count(session, source_id, who, as_json=as_json)
        return None
    if uncertain is None and has_terminal():
        uncertain = _ask(source_id, count_audience(session.database, source_id, who))
    result = create_from_audience(
        session.database,
        changes,
        Audience(source_id, who, uncertain),
        actor=session.actor,
        time_zone=session.settings.time_zone,
        quiet_hours=session.settings.quiet_hours,
        secret_key=session.settings.secret_key,
    )
    overlaps = find_overlaps(session.database, result.id, days=session.settings.overlap_days)
    row = session.database.run(list_audiences, [result.id])[result.id]
    if as_json:
        columns = [asdict(each) for each in overlaps]
        for each in columns:
            del each["server_now"], each["got_since"]
        print_json(
            result_to_json(result)
            | {
                "recipient_count": result.copied_count,
                "blocked_count": result.blocked_count,
                "audience": audience_to_json(row),
                "overlaps": columns,
            }
        )
        return result
    warn(result)
    say(_("  People: {people}", people=describe_audience(row, session.settings.time_zone)))
    for _recipient, message in preview_campaign(session.database, result.id, rows=1).messages:
        say(_("  First message: {message}", message=write_message(message)))
    for line in (*describe_blocked(result.blocked_count), *describe_overlaps(overlaps, session.settings.time_zone)):
        say(line)
    return result


def _show_count(session: Session, source_id: int, who: str, *, as_json: bool) -> None:
    found = count_audience(session.database, source_id, who)
    if as_json:
        print_json({"dry_run": True} | asdict(found))
        return
    source = session.database.run(find_campaign, source_id)
    text = plural(
        "{count:,} person of campaign {id} ({name}) fits now. No draft was made.",
        "{count:,} people of campaign {id} ({name}) fit now. No draft was made.",
        found.count,
        id=source.id,
        name=source.name,
    )
    say(text)
    if found.uncertain_count:
        say(_tell_uncertain(source_id, found.uncertain_count))
    for line in describe_blocked(found.suppressed_count):
        say(line)


def _tell_uncertain(source_id: int, count: int) -> str:
    return plural(
        "{count:,} of these people may have got the message of campaign {id} or not: it is uncertain.",
        "{count:,} of these people may have got the message of campaign {id} or not: it is uncertain.",
        count,
        id=source_id,
    )


def _ask(source_id: int, found: AudienceCount) -> int | None:
    """Ask whether people whose message is uncertain are taken, too; return their number, None if there are none."""
    if not found.uncertain_count:
        return None
    say(_tell_uncertain(source_id, found.uncertain_count))
    confirm(
        _("Take these people, too?"),
        _("No draft was made. The condition `not uncertain` leaves them out."),
    )
    return found.uncertain_count


def describe_audience(row: AudienceRow, time_zone: str) -> str:
    """Return where the people of a campaign come from, in one line."""
    return plural(
        "{count:,} of campaign {id} ({name}), at {time}: {who}",
        "{count:,} of campaign {id} ({name}), at {time}: {who}",
        row.recipient_count,
        id=row.source_id,
        name=row.source_name,
        time=local_time(row.made_at, time_zone),
        who=row.conditions,
    )


def audience_to_json(row: AudienceRow | None) -> dict[str, object] | None:
    if row is None:
        return None
    columns = asdict(row)
    del columns["campaign_id"]
    return columns
