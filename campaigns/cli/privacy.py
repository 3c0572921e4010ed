"""`revoada person` shows a person; `revoada forget` and `retention` erase people, as laws such as the LGPD require."""

from __future__ import annotations

from dataclasses import asdict

import click

from campaigns.cli.help import Command
from campaigns.cli.hints import _, in_commands, plural
from campaigns.cli.output import json_option, local_time, print_facts, print_json, print_table, say
from campaigns.cli.reasons import translate_reason
from campaigns.cli.session import Session, reason_option
from campaigns.cli.types import WholeNumber
from campaigns.domain.message import Status
from campaigns.domain.phone.person import recipient_key
from campaigns.domain.statement import Count, Hint, HintAction
from campaigns.language import current
from campaigns.management.listings.people import PersonDetails, ShownMessage, show_person
from campaigns.privacy.erasure import forget as forget_person
from campaigns.privacy.retention import count_overdue_answers, find_overdue_campaigns, retain, retain_answers
from campaigns.store.optouts.suppressions import SuppressionEvent


@click.command("person", cls=Command, short_help="Show one person: opt-outs, and each message with its status.")
@click.argument("phone")
@click.option(
    "--before",
    type=WholeNumber(1, example=1200),
    metavar="ID",
    help="Only messages older than the message with this id: the end of the list names it.",
)
@json_option
@click.pass_obj
def person(session: Session, phone: str, before: int | None, as_json: bool) -> None:
    """Show one person: whether they may get messages, how they opted out, and what happened to each message.

    The phone may be in any spelling. The newest 20 messages are shown. An opt-out that answered a message names its
    campaign, where this is known. The texts of the messages, as the templates are now, are in --json.

    \b
    Examples:
      revoada person +5511999990000
      revoada person '(11) 99999-0000' --json
    """
    (number,) = session.read_phones([phone], asks=False)
    key = recipient_key(number)
    found = show_person(session.database, key, secret_key=session.settings.secret_key, before=before)
    if as_json:
        print_json(_person_to_json(found))
        return
    if found.problem is not None:
        say(in_commands(found.problem), is_warning=True)
    zone = session.settings.time_zone
    print_facts([(_("person"), found.key), (_("gets messages"), _describe_state(found))])
    if found.opt_outs:
        print_table(
            (_("source"), _("since"), _("detail"), _("in answer to")),
            [
                (
                    current().translate_word(each.source),
                    local_time(each.at, zone),
                    translate_reason(each.detail or ""),
                    _name_answered(found, each),
                )
                for each in found.opt_outs
            ],
            empty="",
        )
    if found.is_forgotten:
        return
    print_table(
        (_("campaign"), _("status"), _("when"), _("why"), _("tries"), _("account")),
        [_describe_message(each) for each in found.messages.rows],
        empty=_("No list that is still kept has this number."),
    )
    if found.messages.next_key is not None:
        say(_("There are older messages: --before {id} shows them.", id=found.messages.next_key))


def _describe_state(found: PersonDetails) -> str:
    if found.is_forgotten:
        return _("no: the person was erased, and only a hash is left")
    if found.is_opted_out:
        return _("no: the person has opted out")
    if found.has_review:
        review = Hint(HintAction.REVIEW_OPTOUTS)
        return _("no marketing until somebody decides about an answer: {review}", review=review)
    return _("yes")


def _name_answered(found: PersonDetails, event: SuppressionEvent) -> str:
    campaign = found.answered.get(event.source)
    return "" if campaign is None else f"{campaign.id} ({campaign.name})"


def _describe_message(shown: ShownMessage) -> tuple[object, ...]:
    row, campaign = shown.row, shown.campaign
    why = translate_reason(shown.meaning or (row.error_title or "" if row.status == Status.SUPPRESSED else ""))
    if shown.meaning and row.error_code and row.error_code > 0:
        why = _("{meaning} (code {code})", meaning=why, code=row.error_code)
    when = local_time(row.changed_at, campaign.time_zone)
    return f"{campaign.id} ({campaign.name})", Status(row.status), when, why, row.attempts or "", row.account or ""


def _person_to_json(found: PersonDetails) -> dict[str, object]:
    return {
        "person": found.key,
        "is_known": found.is_known,
        "is_forgotten": found.is_forgotten,
        "is_opted_out": found.is_opted_out,
        "has_review": found.has_review,
        "opt_outs": [
            {
                "source": each.source,
                "at": each.at,
                "detail": each.detail,
                "campaign_id": None if (campaign := found.answered.get(each.source)) is None else campaign.id,
            }
            for each in found.opt_outs
        ],
        "ended_at": found.ended_at,
        "erased_campaigns": found.erased_campaigns,
        "messages": [_message_to_json(each) for each in found.messages.rows],
        "next": found.messages.next_key,
    }


def _message_to_json(shown: ShownMessage) -> dict[str, object]:
    columns = asdict(shown.row)
    del columns["variables"]
    return columns | {
        "campaign_name": shown.campaign.name,
        "test_of": shown.campaign.test_of,
        "meaning": shown.meaning,
        "text": None if shown.layout is None else asdict(shown.layout),
    }


@click.command(cls=Command, short_help="Erase all data about one person.")
@click.argument("phone")
@reason_option
@json_option
@click.pass_obj
def forget(session: Session, phone: str, as_json: bool) -> None:
    """Erase one person everywhere: phone, user ids, variables, contents of webhooks. Statuses and counters stay.

    Pending messages to the person are not sent. Only a hash of the person is kept, and the person stays suppressed,
    also if a new list contains their phone. `revoada suppress remove` lifts that suppression.

    \b
    Example:
      revoada forget +5511999990000
    """
    (number,) = session.read_phones([phone])
    done = forget_person(session.database, number, actor=session.actor, secret_key=session.secret_key)
    if as_json:
        print_json({
            "number": number,
            "message_count": done.erased.message_count,
            "suppressed_count": done.suppressed_count,
            "event_count": done.erased.event_count,
        })  # fmt: skip
        return
    say(
        _(
            "{phone} is forgotten: {messages} erased ({unsent:,} not sent any more), {events} deleted. The person"
            " stays suppressed, as a hash.",
            phone=number,
            messages=Count(done.erased.message_count, "message"),
            unsent=done.suppressed_count,
            events=Count(done.erased.event_count, "webhook event"),
        )
    )


@click.command(cls=Command, short_help="Erase the recipients of campaigns that ended long ago.")
@click.option(
    "--days",
    type=WholeNumber(1, example=90),
    metavar="N",
    help="Days since the end of a campaign (default REVOADA_RETENTION_DAYS).",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be erased.")
@reason_option
@json_option
@click.pass_obj
def retention(session: Session, days: int | None, dry_run: bool, as_json: bool) -> None:
    """Erase phones and variables of campaigns that ended more than N days ago. Statuses and counters stay.

    The texts of answers that nobody has decided about for N days are erased, too. Their authors still get no marketing,
    and `revoada optouts` still takes a decision.

    If REVOADA_RETENTION_DAYS is set, this happens by itself every hour.

    \b
    Example:
      revoada retention --days 90 --dry-run
    """
    days = days or session.settings.retention_days
    if not days:
        raise click.UsageError(_("Give --days N, or set REVOADA_RETENTION_DAYS."))
    if dry_run:
        rows = find_overdue_campaigns(session.database, days=days)
        answer_count = count_overdue_answers(session.database, days=days)
    else:
        rows = retain(session.database, days=days, actor=session.actor)
        answer_count = retain_answers(session.database, days=days, actor=session.actor)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        (_("id"), _("campaign"), _("messages to erase") if dry_run else _("messages erased")),
        [(row.id, row.name, row.message_count) for row in rows],
        empty=_("No campaign that ended more than {days} ago has anything to erase.", days=Count(days, "day")),
    )
    if answer_count:
        say(_describe_answers(answer_count, dry_run=dry_run))


def _describe_answers(count: int, *, dry_run: bool) -> str:
    if dry_run:
        return plural(
            "The text of {count:,} answer that waits for a decision would be erased.",
            "The texts of {count:,} answers that wait for a decision would be erased.",
            count,
        )
    return plural(
        "The text of {count:,} answer that waits for a decision is erased.",
        "The texts of {count:,} answers that wait for a decision are erased.",
        count,
    )
