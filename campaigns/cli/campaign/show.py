"""`revoada campaign list`, `show` and `preview`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.panel import Panel

from campaigns.cli.campaign.audience import audience_to_json, describe_audience
from campaigns.cli.campaign.hours import describe_when, explain_departure
from campaigns.cli.campaign.import_report import count_rejected, describe_left_out_rows, list_overlaps
from campaigns.cli.campaign.recipients import departure_to_json
from campaigns.cli.campaign.retry import describe_reason
from campaigns.cli.help import Command
from campaigns.cli.hints import _, in_commands
from campaigns.cli.output import (
    count,
    describe_funnel,
    describe_progress,
    describe_skipped,
    describe_uncertain,
    describe_wait,
    json_option,
    local_time,
    make_console,
    print_facts,
    print_json,
    print_table,
    say,
    to_text,
)
from campaigns.cli.prices.describe import (
    cost_cells,
    cost_columns,
    costs_to_json,
    describe_estimate,
    describe_total,
    estimate_to_json,
)
from campaigns.cli.reasons import translate_reason
from campaigns.cli.session import Session
from campaigns.cli.types import CAMPAIGN, WholeNumber
from campaigns.domain.account import explain_deactivation
from campaigns.domain.campaign import ENDED, CampaignStatus
from campaigns.domain.failures import LEFT_AUDIENCE, UNDER_REVIEW
from campaigns.domain.message import Status
from campaigns.domain.schedule import DAYS, write_weekdays
from campaigns.domain.statement import Count
from campaigns.domain.template import read_template_status
from campaigns.management.hours.window import has_hours
from campaigns.management.layouts import Preview
from campaigns.management.preview import CampaignPreview, preview_campaign
from campaigns.management.recipients import find_overlaps
from campaigns.management.reports import CampaignDetails, Funnel, count_left_out, read_funnel, show_campaign
from campaigns.store.accounts import AccountListing
from campaigns.store.campaigns import CampaignListing, list_campaigns


@click.command("list", cls=Command)
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all campaigns, oldest first: status, reason of a wait, progress, and how far the messages came.

    The percentages of delivered, read and replied are of the sent messages. Times are in the time zone of each
    campaign.
    """
    rows = session.database.run(list_campaigns)
    if as_json:
        print_json([_to_columns(row) for row in rows])
        return
    print_table(
        (_("id"), _("name"), _("status"), _("waits for"), _("progress")),
        [
            (row.id, row.name, CampaignStatus(row.status), describe_wait(row), describe_progress(read_funnel(row)))
            for row in rows
        ],
        empty=_("There is no campaign yet: `revoada campaign create -h`."),
    )


@click.command(cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@json_option
@click.pass_obj
def show(session: Session, campaign_id: int, as_json: bool) -> None:
    """Show one campaign: how far its messages came, accounts, pace, waits, prices, and why messages failed.

    Sent are the messages that Meta accepted; delivered includes read. Replied is the number of people who answered, by
    words or a button, also of people whose phone reports nothing as read. `docs/operations.md` has the keys of
    `--json`.
    """
    details = show_campaign(session.database, campaign_id)
    row = details.campaign
    if as_json:
        print_json(
            _to_columns(row)
            | {
                "accounts": [
                    asdict(account) | {"template_category": details.categories[account.id]}
                    for account in details.accounts
                ],
                "reasons": [asdict(reason) for reason in details.reasons],
                "prices": [asdict(price) for price in details.prices],
                "import_errors": [asdict(error) for error in details.import_errors],
                "tests": [_to_columns(test) for test in details.tests],
                "misfit": _misfit(details),
                "audience": audience_to_json(details.audience),
            }
            | _costs_to_json(details)
        )
        return
    print_facts(_facts(details))
    if row.status == CampaignStatus.DRAFT:
        overlaps = find_overlaps(session.database, campaign_id, days=session.settings.overlap_days)
        for line in list_overlaps(overlaps, row.time_zone):
            say(line)
    if details.prices:
        print_table(
            (_("price category"), _("model"), _("billable"), _("messages")),
            [(price.category, price.model, _yes_or_no(price.is_billable), price.count) for price in details.prices],
            empty="",
        )
    if details.costs:
        print_table(cost_columns(), map(cost_cells, details.costs), empty="")
    if details.reasons:
        print_table(
            (_("messages"), _("count"), _("why"), _("since"), _("first message")),
            [
                (
                    Status(reason.status),
                    reason.count,
                    describe_reason(reason),
                    local_time(reason.oldest_at, row.time_zone),
                    str(reason.first_message_id),
                )
                for reason in details.reasons
            ],
            empty="",
        )
    if any(reason.status != Status.SUPPRESSED or reason.error_code is not None for reason in details.reasons):
        say(_("What they mean and what to do: revoada campaign errors {id}", id=campaign_id))
    if uncertain := describe_uncertain(row):
        say(uncertain)
    if details.import_errors:
        print_table(
            (_("row left out"), _("column"), _("reason")),
            [
                (str(error.row_number), error.column_name, translate_reason(error.reason))
                for error in details.import_errors
            ],
            empty="",
        )


def _costs_to_json(details: CampaignDetails) -> dict[str, object]:
    """Return what the campaign may cost, and what it has cost; {} if no price is loaded."""
    if details.costs is None:
        return {}
    return {"estimate": estimate_to_json(details.estimate), "costs": costs_to_json(details.costs)}


def _misfit(details: CampaignDetails) -> str | None:
    return None if details.misfit is None else in_commands(details.misfit)


def _yes_or_no(is_billable: bool | None) -> str:
    return "" if is_billable is None else _("yes") if is_billable else _("no")


def _facts(details: CampaignDetails) -> list[tuple[str, object]]:
    row, zone, funnel = details.campaign, details.campaign.time_zone, read_funnel(details.campaign)
    accounts = [_describe_account(account, details.categories[account.id]) for account in details.accounts]
    return [
        (_("campaign"), f"{row.id} ({row.name})"),
        (_("test of"), _("campaign {id}", id=row.test_of) if row.test_of else None),
        (_("status"), CampaignStatus(row.status)),
        (_("waits for"), describe_wait(row)),
        *describe_funnel(funnel),
        (_("skipped"), _describe_skipped(details, funnel)),
        (_("people"), None if details.audience is None else describe_audience(details.audience, zone)),
        (_("duplicates dropped"), row.duplicate_count or None),
        (_("rows rejected"), count_rejected(details.left_out) or None),
        (_("left out"), ", ".join(describe_left_out_rows(details.left_out))),
        (_("cost"), _describe_cost(details)),
        (_("tests"), "; ".join(_describe_test(test) for test in details.tests)),
        (
            _("template"),
            _(
                "{name}, {status}",
                name=f"{row.template_name}:{row.language}",
                status=read_template_status(row.template_status),
            ),
        ),
        (_("cannot be sent"), _misfit(details)),
        *((f"  {key}", _("a column") if value is None else value) for key, value in row.parameters.items()),
        (_("accounts"), ", ".join(accounts)),
        (
            _("was to start") if row.status == CampaignStatus.CANCELLED and row.started_at is None else _("scheduled"),
            local_time(row.scheduled_at, zone),
        ),
        (_("at most"), _limit_per_person(row)),
        *_pace_facts(row),
        (_("created"), local_time(row.created_at, zone)),
        (_("started"), local_time(row.started_at, zone)),
        (_("next look"), _next_look(row)),
        (_("completed"), local_time(row.completed_at, zone)),
    ]


def _pace_facts(row: CampaignListing) -> list[tuple[str, object]]:
    """Return when and how fast a campaign sends."""
    zone = row.time_zone
    return [
        (_("interval"), _seconds(row.interval_seconds)),
        (_("pause"), _pause(row)),
        (_("window"), f"{row.window_from:%H:%M}-{row.window_to:%H:%M}" if row.window_from is not None else None),
        (_("weekdays"), _weekdays(row.weekdays)),
        (_("holidays"), row.holidays),
        (
            _("time zone"),
            _("{zone}; the window is in each person's zone", zone=zone)
            if row.uses_recipient_zones and has_hours(row)
            else zone,
        ),
        (_("start within"), _seconds(row.start_within_seconds)),
        (_("expires"), local_time(row.expire_at, zone)),
    ]


def _describe_cost(details: CampaignDetails) -> str:
    """Return what a draft costs at most, or what a campaign has cost if prices are loaded; else ""."""
    if details.estimate is not None:
        return describe_estimate(details.estimate)
    return describe_total(details.costs or [])


def _describe_skipped(details: CampaignDetails, funnel: Funnel) -> str:
    suppressed = [reason for reason in details.reasons if reason.status == Status.SUPPRESSED]
    in_review = sum(reason.count for reason in suppressed if reason.error_code == UNDER_REVIEW.code)
    left = sum(reason.count for reason in suppressed if reason.error_title == LEFT_AUDIENCE)
    capped = sum(reason.count for reason in suppressed) - in_review - left
    return describe_skipped(funnel, capped=capped, held_for_review=in_review, left_audience=left)


def _describe_account(account: AccountListing, category: str) -> str:
    """Return the name of an account, with the reason if it does not send the campaign.

    `category`: the category of the template.
    """
    if not account.active:
        reason = explain_deactivation(account.inactive_reason or "")
        return _("{account} (inactive: {reason})", account=account.name, reason=reason)
    if (inactive := account.inactive_categories.get(category)) is None:
        return account.name
    values = {"account": account.name, "category": category, "reason": explain_deactivation(inactive.reason)}
    return _("{account} (sends no {category} templates: {reason})", **values)


def _weekdays(weekdays: list[int]) -> str | None:
    return write_weekdays(weekdays, [_(day) for day in DAYS]) if len(weekdays) < len(DAYS) else None


def _describe_test(test: CampaignListing) -> str:
    return _("campaign {id}: {progress}", id=test.id, progress=describe_progress(read_funnel(test)))


def _seconds(seconds: float | None) -> str | None:
    return _("{seconds:g} s", seconds=seconds) if seconds else None


def _pause(row: CampaignListing) -> str | None:
    if not row.pause_after:
        return None
    messages = Count(row.pause_after, "message")
    return _("{seconds:g} s after {messages}", seconds=row.pause_seconds, messages=messages)


def _limit_per_person(row: CampaignListing) -> str | None:
    if not row.within_days:
        return None
    return _("{most:,} per person in {days}", most=row.max_per_person, days=Count(row.within_days, "day"))


def _next_look(row: CampaignListing) -> str | None:
    if row.status not in {CampaignStatus.PENDING, CampaignStatus.RUNNING}:
        return None
    return _("now") if row.due_at is None else local_time(row.due_at, row.time_zone)


def _to_columns(row: CampaignListing) -> dict[str, object]:
    columns = asdict(row)
    del columns["server_now"], columns["replied_counts"]
    return columns | {"funnel": asdict(read_funnel(row))}


_WIDTH = 72


@click.command("preview", cls=Command)
@click.argument("campaign_id", type=CAMPAIGN, metavar="ID")
@click.option(
    "--rows",
    type=WholeNumber(0, 100, example=3),
    default=3,
    metavar="N",
    help="Number of messages to show (default 3).",
)
@json_option
@click.pass_obj
def preview_(session: Session, campaign_id: int, rows: int, as_json: bool) -> None:
    """Show what a campaign will send: its first messages as people will read them, their number, category and end.

    The end is an estimate from the rates of all accounts, the pace, the window in the campaign's own zone, and the
    daily limits of portfolios. Other campaigns that share the accounts make it later.

    \b
    Example:
      revoada campaign preview 7 --rows 5
    """
    found = preview_campaign(session.database, campaign_id, rows=rows)
    if as_json:
        print_json(_to_json(found))
        return
    console = make_console()
    for phone, message in found.messages:
        text = to_text(_to_lines(message), keeps="\n")
        console.print(Panel(text, title=to_text(phone), title_align="left", width=_WIDTH))
    row = found.campaign
    left_out = session.database.run(count_left_out, row)
    print_facts([
        (_("campaign"), f"{row.id} ({row.name})"),
        (_("status"), CampaignStatus(row.status)),
        (_("to send"), _count_messages(found.send_count, found.category)),
        (_("suppressed"), found.suppressed_count),
        (_("also skipped"), _also_skipped(found)),
        (_("duplicates dropped"), row.duplicate_count),
        (_("rows rejected"), count_rejected(left_out)),
        (_("left out"), ", ".join(describe_left_out_rows(left_out))),
        (_("at most"), _rate(found.rate)),
        *_pace_facts(row),
        *_times(found),
    ])  # fmt: skip


def _times(found: CampaignPreview) -> list[tuple[str, object]]:
    """Return when the campaign starts and ends; for a campaign that has ended, when that was."""
    row, zone = found.campaign, found.campaign.time_zone
    if row.status in ENDED:
        return [
            (_("started"), local_time(row.started_at, zone)),
            (_("completed"), local_time(row.completed_at, zone)),
        ]
    starts = local_time(row.scheduled_at, zone) or (
        _("when it is started") if row.status == CampaignStatus.DRAFT else ""
    )
    return [
        (_("started"), local_time(row.started_at, zone)) if row.started_at else (_("starts"), starts),
        (_("first message"), _describe_first(found)),
        (_("ends"), _describe_end(found)),
    ]


def _describe_end(found: CampaignPreview) -> str:
    if found.ends_at is None:
        return _("nobody can tell")
    time = local_time(found.ends_at, found.campaign.time_zone)
    if not found.limited_by:
        return _("about {time}", time=time)
    return _("about {time}, because of the daily limit of {portfolios}", time=time, portfolios=found.limited_by)


def _describe_first(found: CampaignPreview) -> str:
    """Return when the first message may leave, or why no message leaves."""
    departure = found.departure
    when = [] if departure.at is None else [describe_when(departure.at, departure)]
    return " ".join([*when, *explain_departure(departure)])


def _also_skipped(found: CampaignPreview) -> str | None:
    row = found.campaign
    if not row.within_days:
        return None
    days = Count(row.within_days, "day")
    if found.capped_count:
        people = Count(found.capped_count, "recipient")
        return _("{people} who had {most:,} or more in {days}", people=people, most=row.max_per_person, days=days)
    return _("who then had {most:,} or more in {days}; not counted here", most=row.max_per_person, days=days)


def _count_messages(number: int, category: str) -> str:
    match category:
        case "MARKETING":
            return count(number, "marketing message")
        case "UTILITY":
            return count(number, "utility message")
        case "AUTHENTICATION":
            return count(number, "authentication message")
        case _other:
            return count(number, "message")


def _rate(rate: int) -> str:
    return _("{rate:,} messages per second", rate=rate) if rate else _("no account may send it")


def _to_lines(message: Preview) -> str:
    return "\n".join(part for part in (message.header, message.body, message.footer, *message.buttons) if part)


def _to_json(found: CampaignPreview) -> dict[str, object]:
    return {
        "id": found.campaign.id,
        "name": found.campaign.name,
        "status": found.campaign.status,
        "category": found.category,
        "send_count": found.send_count,
        "suppressed_count": found.suppressed_count,
        "capped_count": found.capped_count,
        "duplicate_count": found.campaign.duplicate_count,
        "rejected_count": found.campaign.rejected_count,
        "messages_per_second": found.rate,
        "starts_at": found.starts_at,
        **departure_to_json(found.departure),
        "ends_at": found.ends_at,
        "limited_by": found.limited_by,
        "messages": [{"phone": phone, **asdict(message)} for phone, message in found.messages],
    }
