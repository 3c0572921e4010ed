"""`revoada forget` and `revoada retention`: what a law such as the LGPD asks for."""

from __future__ import annotations

from dataclasses import asdict

import click

from campaigns.cli.output import count, json_option, print_json, print_table
from campaigns.cli.session import Session
from campaigns.management.suppressions import read_phone
from campaigns.privacy.erasure import forget as forget_person
from campaigns.privacy.retention import find_overdue, retain


@click.command(short_help="Erase all that is held of one person.")
@click.argument("phone")
@click.pass_obj
def forget(session: Session, phone: str) -> None:
    """Erase one person everywhere: phone, user ids, variables, what webhooks said. Statuses and counters stay.

    What is pending is not sent any more. The person stays suppressed, known by a hash only, and a new list does not
    bring them back; `revoada suppress remove` does.

    \b
    Example:
      revoada forget +5511999990000
    """
    (number,) = session.read_phones([phone])
    done = forget_person(session.database, read_phone(number), secret_key=session.secret_key)
    click.echo(
        f"Forgotten: {count(done.erased.message_count, 'message')} erased ({done.suppressed_count:,} not sent any "
        f"more), {count(done.erased.event_count, 'webhook event')} deleted. The person stays suppressed, as a hash."
    )


@click.command(short_help="Erase the people of campaigns that ended long ago.")
@click.option("--days", type=click.IntRange(1), metavar="N", help="Ended so long ago (default REVOADA_RETENTION_DAYS).")
@click.option("--dry-run", is_flag=True, help="Only show what would be erased.")
@json_option
@click.pass_obj
def retention(session: Session, days: int | None, dry_run: bool, as_json: bool) -> None:
    """Erase phones and variables of campaigns that ended more than N days ago. Statuses and counters stay.

    With REVOADA_RETENTION_DAYS this happens by itself, every hour.

    \b
    Example:
      revoada retention --days 90 --dry-run
    """
    days = days or session.settings.retention_days
    if not days:
        raise click.UsageError("Give --days N, or set REVOADA_RETENTION_DAYS.")
    rows = (find_overdue if dry_run else retain)(session.database, days=days)
    if as_json:
        print_json([asdict(row) for row in rows])
        return
    print_table(
        ("id", "campaign", "messages to erase" if dry_run else "messages erased"),
        [(row.id, row.name, row.message_count) for row in rows],
        empty=f"No campaign that ended more than {count(days, 'day')} ago has anything to erase.",
    )
