"""`revoada campaign list`, `show` and `preview`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.panel import Panel
from rich.text import Text

from campaigns.cli.output import (
    count,
    describe_doubts,
    describe_wait,
    json_option,
    local_time,
    make_console,
    print_facts,
    print_json,
    print_table,
    read_progress,
    to_text,
)
from campaigns.cli.retry import describe_reason
from campaigns.cli.session import Session
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import LADDER, Status
from campaigns.domain.schedule import write_weekdays
from campaigns.management.preview import CampaignPreview, Preview, preview_campaign
from campaigns.management.reports import CampaignDetails, show_campaign
from campaigns.store.accounts import AccountListing
from campaigns.store.campaigns import CampaignListing, list_campaigns

_ALL_DAYS = 7
# What a word alone would not tell.
_COUNTED = {Status.HELD: "held by Meta"}


@click.command("list")
@json_option
@click.pass_obj
def list_(session: Session, as_json: bool) -> None:
    """Show all campaigns, oldest first: what each does, what it waits for, how far it is.

    Times are those of each campaign's own zone.
    """
    rows = session.database.run(list_campaigns)
    if as_json:
        print_json([_to_columns(row) for row in rows])
        return
    print_table(
        ("id", "name", "status", "waits for", "progress"),
        [(row.id, row.name, row.status, describe_wait(row), str(read_progress(row))) for row in rows],
        empty="There is no campaign yet: `revoada campaign create -h`.",
    )


@click.command()
@click.argument("campaign_id", type=int, metavar="ID")
@json_option
@click.pass_obj
def show(session: Session, campaign_id: int, as_json: bool) -> None:
    """Show all of one campaign: counters, accounts, pace, waits, prices, why messages failed or are uncertain."""
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
                "misfit": details.misfit,
            }
        )
        return
    print_facts(_facts(details))
    if details.prices:
        print_table(
            ("price category", "model", "billable", "messages"),
            [(price.category, price.model, _yes_or_no(price.is_billable), price.count) for price in details.prices],
            empty="",
        )
    if details.reasons:
        print_table(
            ("messages", "count", "why", "since", "first message"),
            [
                (
                    reason.status,
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
        click.echo(f"What they mean and what to do: revoada campaign errors {campaign_id}")
    if doubts := describe_doubts(row):
        click.echo(doubts)
    if details.import_errors:
        print_table(
            ("rejected row", "column", "reason"),
            [(str(error.row_number), error.column_name, error.reason) for error in details.import_errors],
            empty="",
        )


def _yes_or_no(is_billable: bool | None) -> str:
    return "" if is_billable is None else "yes" if is_billable else "no"


def _facts(details: CampaignDetails) -> list[tuple[str, object]]:
    row, zone = details.campaign, details.campaign.time_zone
    accounts = [_describe_account(account, details.categories[account.id]) for account in details.accounts]
    return [
        ("campaign", f"{row.id} ({row.name})"),
        ("test of", f"campaign {row.test_of}" if row.test_of else None),
        ("status", to_text(row.status)),
        ("waits for", describe_wait(row)),
        ("progress", str(read_progress(row))),
        *((_COUNTED.get(status, status.value), row.counts[status]) for status in LADDER if status in row.counts),
        ("tests", "; ".join(f"campaign {test.id}: {read_progress(test)}" for test in details.tests)),
        ("template", f"{row.template_name}:{row.language}, {row.template_status}"),
        ("cannot be sent", details.misfit),
        *((f"  {key}", "a column" if value is None else value) for key, value in row.parameters.items()),
        ("accounts", ", ".join(accounts)),
        ("recipients", row.recipient_count),
        ("duplicates dropped", row.duplicate_count or None),
        ("rows rejected", row.rejected_count or None),
        ("interval", f"{row.interval_seconds:g} s" if row.interval_seconds else None),
        ("pause", f"{row.pause_seconds:g} s after {row.pause_after:,} messages" if row.pause_after else None),
        ("window", f"{row.window_from:%H:%M}-{row.window_to:%H:%M}" if row.window_from is not None else None),
        ("weekdays", write_weekdays(row.weekdays) if len(row.weekdays) < _ALL_DAYS else None),
        ("holidays", row.holidays),
        ("time zone", f"{zone}; the window is that of each person" if row.uses_recipient_zones else zone),
        ("scheduled", local_time(row.scheduled_at, zone)),
        (
            "at most",
            f"{row.max_per_person:,} per person in {count(row.within_days, 'day')}" if row.within_days else None,
        ),
        ("start within", f"{row.start_within_seconds:g} s" if row.start_within_seconds else None),
        ("expires", local_time(row.expire_at, zone)),
        ("created", local_time(row.created_at, zone)),
        ("started", local_time(row.started_at, zone)),
        ("next look", _next_look(row)),
        ("completed", local_time(row.completed_at, zone)),
    ]


def _describe_account(account: AccountListing, category: str) -> str:
    """Name an account, with the reason why it does not send the campaign, whose template has that category."""
    if not account.active:
        return f"{account.name} (inactive: {account.inactive_reason})"
    inactive = account.inactive_categories.get(category)
    return account.name if inactive is None else f"{account.name} (sends no {category} templates: {inactive.reason})"


def _next_look(row: CampaignListing) -> str | None:
    if row.status not in {CampaignStatus.PENDING, CampaignStatus.RUNNING}:
        return None
    return "now" if row.due_at is None else local_time(row.due_at, row.time_zone)


def _to_columns(row: CampaignListing) -> dict[str, object]:
    columns = asdict(row)
    del columns["server_now"]
    return columns


_WIDTH = 72


@click.command("preview")
@click.argument("campaign_id", type=int, metavar="ID")
@click.option("--rows", type=click.IntRange(0, 100), default=3, metavar="N", help="How many messages (default 3).")
@json_option
@click.pass_obj
def preview_(session: Session, campaign_id: int, rows: int, as_json: bool) -> None:
    """Show what a campaign will do: the first messages as people will read them, how many, how long, at what category.

    The time is an estimate: all accounts at their rates, the pace, the window in the campaign's own zone, and the daily
    limits of portfolios. Other campaigns that share the accounts make it longer.

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
        console.print(Panel(Text(_to_lines(message)), title=Text(phone), title_align="left", width=_WIDTH))
    row, zone = found.campaign, found.campaign.time_zone
    days = count(row.within_days, "day") if row.within_days else ""
    print_facts([
        ("campaign", f"{row.id} ({row.name})"),
        ("to send", count(found.send_count, f"{found.category.lower()} message".strip())),
        ("suppressed", found.suppressed_count),
        ("also skipped", f"who had {row.max_per_person:,} in {days} by then, not counted here" if days else None),
        ("duplicates dropped", row.duplicate_count),
        ("rows rejected", row.rejected_count),
        ("at most", f"{found.rate:,} messages per second" if found.rate else "no account may send it"),
        ("starts", local_time(row.scheduled_at, zone) or "when it is started"),
        ("ends", f"about {local_time(found.ends_at, zone)}" if found.ends_at else "nobody can tell"),
    ])  # fmt: skip


def _to_lines(message: Preview) -> str:
    return "\n".join(part for part in (message.header, message.body, message.footer, *message.buttons) if part)


def _to_json(found: CampaignPreview) -> dict[str, object]:
    return {
        "id": found.campaign.id,
        "name": found.campaign.name,
        "category": found.category,
        "send_count": found.send_count,
        "suppressed_count": found.suppressed_count,
        "duplicate_count": found.campaign.duplicate_count,
        "rejected_count": found.campaign.rejected_count,
        "messages_per_second": found.rate,
        "starts_at": found.starts_at,
        "ends_at": found.ends_at,
        "messages": [{"phone": phone, **asdict(message)} for phone, message in found.messages],
    }
