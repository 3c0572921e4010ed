"""Begins a slice: takes the lease of a campaign and loads the data that the slice needs."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from dataclasses import dataclass, field

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.domain.continuity import ClaimCount, DatabaseIdentity
from campaigns.logs import event
from campaigns.sending.continuity import Continuity
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.samples import ReplyCounts
from campaigns.sending.schedule import report_abandoned
from campaigns.store import leases
from campaigns.store.accounts import load_campaign_accounts, mark_health_due
from campaigns.store.continuity import load_identity
from campaigns.store.database import Connection, Database
from campaigns.store.leases import LeaseRow
from campaigns.throttle.bucket import Throttle
from campaigns.whatsapp.transport import Transport

_log = logging.getLogger("campaigns.sending")


@dataclass(frozen=True, slots=True)
class Tools:
    """The resources that all slices of one process share."""

    settings: Settings
    database: Database
    throttle: Throttle
    transport: Transport
    lease_keeper: LeaseKeeper
    alerts: Alerts
    stop: threading.Event
    owner: str
    continuity: Continuity
    reply_counts: ReplyCounts = field(default_factory=ReplyCounts)


@dataclass(frozen=True, slots=True)
class SliceContext:
    """The data of a slice whose lease is taken. `categories`: the category of the campaign's template, by account.

    `health_due`: ids of the accounts whose health is due for a check. The caller enqueues one check for each of these
    accounts. `asked_at`: the time just before the lease was requested, on `clock`.
    """

    row: LeaseRow
    account_ids: list[int]
    categories: dict[int, str]
    health_due: list[int]
    identity: DatabaseIdentity
    asked_at: float

    def now(self) -> dt.datetime:
        """Return the time of the Postgres server. Pace and window follow this time, because workers' clocks differ."""
        return self.row.server_now + dt.timedelta(seconds=clock() - self.asked_at)


class _DoubtfulError(Exception):
    """The database may lack claims. This error rolls back the transaction that took the lease."""


def begin_slice(campaign_id: int, tools: Tools, *, epoch: int | None = None) -> SliceContext | None:
    """Take the lease of a campaign. Return None if the campaign is not eligible now or another slice has its lease.

    Returns None, too, if the database may lack claims whose messages were sent. In that case no lease is taken.

    `epoch`: the epoch of the lease when the task was enqueued. If a slice has begun since then, the task is out of
    date, and the function returns None.
    """
    settings = tools.settings
    asked_at = clock()

    def begin(connection: Connection) -> SliceContext | None:
        row = leases.take_lease(
            connection,
            campaign_id,
            owner=tools.owner,
            lease_seconds=settings.lease_seconds,
            horizon_seconds=settings.tick_seconds,
            epoch=epoch,
        )
        if row is None:
            return None
        identity = load_identity(connection)
        if not tools.continuity.check(connection, identity, ClaimCount(campaign_id, row.epoch, row.claim_count)):
            raise _DoubtfulError
        categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
        account_ids = list(categories)
        health_due = mark_health_due(connection, account_ids, every_seconds=settings.health_seconds)
        return SliceContext(row, account_ids, categories, health_due, identity, asked_at)

    try:
        context = tools.database.run(begin)
    except _DoubtfulError:
        # A tick enqueues the campaign again once the database has every claim.
        tools.database.run(leases.unmark_campaigns, [campaign_id])
        return None
    if context is None:
        return None
    # An account may have changed just before the task was enqueued, and the lease keeper may not have read the change.
    tools.lease_keeper.refresh(context.account_ids)
    if context.row.uncertain_count:
        report_abandoned(campaign_id, context.row.uncertain_count)
    if context.row.is_first_slice:
        bound = event("campaign_started", campaign_id=campaign_id)
        _log.info("Starting campaign %s: %s", campaign_id, context.row.name, extra=bound)
    if context.health_due:
        bound = event("health_checking", campaign_id=campaign_id, accounts=context.health_due)
        _log.info("Checking health of the accounts of campaign %s", campaign_id, extra=bound)
    return context
