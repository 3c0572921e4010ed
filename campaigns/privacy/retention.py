"""Erases old data: the phones and variables of campaigns that ended long ago, and old events of the audit.

The texts of old answers that may be opt-outs are erased, too, if nobody has decided about them.
"""

from __future__ import annotations

import logging

from campaigns.domain.users.actor import Act, Actor, ActorKind
from campaigns.logs import event
from campaigns.store import people
from campaigns.store.database import Connection, Database
from campaigns.store.files.uploads import erase_files
from campaigns.store.forwards.forwards import expire_forwards
from campaigns.store.hooks.outbox import erase_old_events
from campaigns.store.optouts import reviews
from campaigns.store.people import ErasedBatch, OverdueCampaign
from campaigns.store.users.audit import erase_audit, write_audit
from campaigns.store.users.idempotency import erase_answers
from campaigns.store.users.sessions import erase_logins

_log = logging.getLogger(__name__)

_BATCH = 5_000
# The tries of a webhook that is passed on take up to four days.
FORWARD_DAYS = 4
_TASK = Actor("campaigns.retain", ActorKind.TASK)


def find_overdue_campaigns(database: Database, *, days: int) -> list[OverdueCampaign]:
    """Return the campaigns whose data `retain` would erase now."""
    return database.run(people.find_overdue_campaigns, days=days)


def retain(database: Database, *, days: int, actor: Actor | None) -> list[OverdueCampaign]:
    """Erase the data of campaigns that ended more than `days` ago, in many short transactions; return the campaigns.

    `actor` None: the task that runs every day erases them, so the audit gets no rows.
    """
    erased = []
    for campaign in database.run(people.find_overdue_campaigns, days=days):
        count = last_id = 0
        while last := database.run(_erase_batch, campaign.id, days, actor if last_id == 0 else None, last_id=last_id):
            last_id, count = last.last_id, count + last.count
        database.run(people.mark_erased, campaign.id)
        erased.append(OverdueCampaign(campaign.id, campaign.name, count))
        bound = event("retained", campaign_id=campaign.id)
        _log.info("Erased the phones and variables of campaign %s: %s messages", campaign.id, count, extra=bound)
    return erased


def count_overdue_answers(database: Database, *, days: int) -> int:
    """Return the number of answers whose text `retain_answers` would erase now."""
    return database.run(reviews.count_overdue_answers, days=days)


def retain_answers(database: Database, *, days: int, actor: Actor | None) -> int:
    """Erase the texts of answers that wait for a decision for more than `days`; return their number.

    Each review stays open, so its author gets no marketing until a person decides (docs/decisions/0068). `actor`: as
    for `retain`.
    """
    count = database.run(_erase_answers, days, actor)
    if count:
        _log.info("Erased the texts of %s answers that wait for a decision", count, extra=event("answers_retained"))
    return count


def retain_audit(database: Database, *, days: int) -> int:
    """Delete the events of the audit that are older than `days`, and at least 365 days old; return their number.

    The audit gets a row about the deletion.
    """
    return database.run(_erase_audit, days)


def retain_logins(database: Database) -> None:
    """Delete the sessions that have ended by themselves, and the attempts to log in that no limit counts any more."""
    database.run(erase_logins)


def retain_forwards(database: Database, *, days: int) -> None:
    """Delete the webhooks that wait for a forward for more than `days`, and at most `FORWARD_DAYS`; 0: `FORWARD_DAYS`.

    The log and the forward say how many were given up.
    """
    keep_days = min(days or FORWARD_DAYS, FORWARD_DAYS)
    while counts := database.run(expire_forwards, days=keep_days, limit=_BATCH):
        for forward_id, count in sorted(counts.items()):
            bound = event("forward_given_up", forward_id=forward_id, webhooks=count)
            _log.warning("Forward %s gave up %s webhooks: they waited for too long", forward_id, count, extra=bound)


def retain_requests(database: Database) -> None:
    """Delete the answers to requests of programs that are older than 24 hours."""
    database.run(erase_answers)


def retain_hook_events(database: Database) -> None:
    """Delete the events for hooks that are older than 30 days, with their deliveries."""
    while database.run(erase_old_events):
        pass


def _erase_answers(connection: Connection, days: int, actor: Actor | None) -> int:
    count = reviews.erase_overdue_answers(connection, days=days)
    if actor is not None and count:
        write_audit(connection, actor, Act.OPTOUT_ERASE, after={"answer_count": count, "days": days})
    return count


def retain_files(database: Database) -> None:
    """Delete exports after 3 days, and uploads after 7 days or after the start of their campaign."""
    export_count, upload_count = database.run(erase_files)
    if export_count or upload_count:
        text = "Deleted %s exports and %s uploads that nobody needs any more"
        _log.info(
            text, export_count, upload_count, extra=event("files_erased", exports=export_count, uploads=upload_count)
        )


def _erase_batch(
    connection: Connection, campaign_id: int, days: int, actor: Actor | None, *, last_id: int
) -> ErasedBatch | None:
    """Erase the next batch of a campaign. If `actor` is not None, write to the audit that the erasure begins."""
    if actor is not None:
        write_audit(connection, actor, Act.CAMPAIGN_ERASE, campaign_id, after={"ended_days_ago": days})
    return people.erase_batch(connection, campaign_id, last_id=last_id, limit=_BATCH)


def _erase_audit(connection: Connection, days: int) -> int:
    count = erase_audit(connection, days=days)
    if count:
        write_audit(connection, _TASK, Act.AUDIT_ERASE, after={"event_count": count, "days": days})
    return count
