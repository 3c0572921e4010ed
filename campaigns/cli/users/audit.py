"""`revoada audit`: who changed what, when and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import click

from campaigns.cli.help import Command
from campaigns.cli.hints import _
from campaigns.cli.output import json_option, local_time, print_json_rows, print_table, say
from campaigns.cli.session import Session
from campaigns.cli.types import CAMPAIGN, writes_day_first
from campaigns.domain.schedule import read_moment
from campaigns.domain.users.actor import Act
from campaigns.management.listings.changes import list_changes
from campaigns.management.listings.pages import MAX_ROWS, page_audit
from campaigns.store.database import Database, read_clock
from campaigns.store.users.audit import AuditEvent, AuditFilter

_LISTED_ROWS = 100


@click.command(cls=Command)
@click.option("--actor", metavar="NAME", help="Only changes by this person: a login name or the name of a user.")
@click.option("--campaign", "campaign_id", type=CAMPAIGN, metavar="ID", help="Only changes of this campaign.")
@click.option("--since", metavar="TIME", help="Only changes from this time on, such as 'today 09:00'.")
@click.option("--what", type=click.Choice([act.value for act in Act]), metavar="CHANGE", help="Only changes of a kind.")
@json_option
@click.pass_obj
def audit(  # noqa: PLR0917  one per option
    session: Session,
    actor: str | None,
    campaign_id: int | None,
    since: str | None,
    what: str | None,
    as_json: bool,
) -> None:
    """Show who changed what, the newest change first.

    The first 100 changes are shown, or all with --json. A person at the command line has the login name of the system.
    A change shows the old and the new values. No phone and no access token is kept. Nobody can change an entry, or
    delete an entry in its first 365 days.

    \b
    Examples:
      revoada audit --campaign 7
      revoada audit --actor maria --since 'yesterday 00:00'
      revoada audit --what campaign.start --json
    """
    chosen = AuditFilter(actor=actor, campaign_id=campaign_id, what=None if what is None else Act(what))
    zone = session.settings.time_zone
    if since is not None:
        now = session.database.run(read_clock)
        at = read_moment(since, zone, now=now, is_day_first=writes_day_first(), looks_back=True)
        chosen = replace(chosen, since=at)
    if as_json:
        print_json_rows(map(asdict, _stream(session.database, chosen)))
        return
    page = page_audit(session.database, chosen, limit=_LISTED_ROWS)
    print_table(
        (_("when"), _("who"), _("by"), _("action"), _("id"), _("change"), _("reason")),
        [_row(each, zone) for each in page.rows],
        empty=_("There is no such change."),
    )
    if page.next_key is not None:
        say(_("The list ends here; there are older changes, which --json lists, too."))


def _stream(database: Database, chosen: AuditFilter) -> Iterator[AuditEvent]:
    page = page_audit(database, chosen, limit=MAX_ROWS)
    yield from page.rows
    while page.next_key is not None:
        page = page_audit(database, chosen, after=page.next_key, limit=MAX_ROWS)
        yield from page.rows


def _row(event: AuditEvent, zone: str) -> tuple[object, ...]:
    target = "" if event.target_id is None else str(event.target_id)
    by = event.surface or event.actor_kind
    return local_time(event.at, zone), event.actor, by, event.what, target, _describe(event), event.reason


def _describe(event: AuditEvent) -> str:
    """Return the change in words: `status draft → running, name Natal`."""
    return ", ".join(
        f"{each.name} {each.new}"
        if each.old is None
        else f"{each.name} {each.old or _('none')} → {each.new or _('none')}"
        for each in list_changes(event)
    )
