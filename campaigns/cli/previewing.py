"""`revoada campaign preview`."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.panel import Panel
from rich.text import Text

from campaigns.cli.output import count, json_option, local_time, make_console, print_facts, print_json
from campaigns.cli.session import Session
from campaigns.domain.preview import Preview
from campaigns.management.preview import CampaignPreview, preview_campaign

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
