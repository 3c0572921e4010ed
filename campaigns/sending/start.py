"""Takes the lease of a campaign, and gathers what its slice must know."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from campaigns.alerts import Alerts
from campaigns.clock import clock
from campaigns.config import Settings
from campaigns.logs import event
from campaigns.sending.leases import LeaseKeeper
from campaigns.sending.schedule import report_abandoned
from campaigns.store import leases
from campaigns.store.accounts import load_campaign_accounts, mark_health_due
from campaigns.store.database import Connection, Database
from campaigns.store.installation import installation_id
from campaigns.store.leases import LeaseRow
from campaigns.throttle.bucket import Throttle
from campaigns.whatsapp.transport import Transport

_log = logging.getLogger("campaigns.sending")


@dataclass(frozen=True, slots=True)
class Tools:
    """What a slice works with: one set per process, shared by all slices."""

    settings: Settings
    database: Database
    throttle: Throttle
    transport: Transport
    keeper: LeaseKeeper
    alerts: Alerts
    stop: threading.Event
    owner: str


@dataclass(frozen=True, slots=True)
class SliceContext:
    """A slice whose lease is taken. `health_due`: ids of the accounts whose health check another task does now.

    `categories`: the category of the campaign's template, by account.
    """

    row: LeaseRow
    account_ids: list[int]
    categories: dict[int, str]
    health_due: list[int]
    installation: str
    asked_at: float


def begin_slice(campaign_id: int, tools: Tools, *, epoch: int | None = None) -> SliceContext | None:
    """Take the lease of a campaign; None if it is not eligible at this moment or somebody else runs it.

    `epoch`: the epoch of the lease when the task was enqueued. None is returned too if a slice has begun since then:
    that slice was the one the task asked for.
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
        categories = load_campaign_accounts(connection, [campaign_id])[campaign_id]
        account_ids = list(categories)
        health_due = mark_health_due(connection, account_ids, every_seconds=settings.health_seconds)
        return SliceContext(row, account_ids, categories, health_due, installation_id(connection), asked_at)

    begun = tools.database.run(begin)
    if begun is None:
        return None
    # What rang this slice may be a change of an account that is younger than what the keeper knows.
    tools.keeper.refresh(begun.account_ids)
    if begun.row.doubted_count:
        report_abandoned(campaign_id, begun.row.doubted_count)
    if begun.row.is_first_slice:
        bound = event("campaign_started", campaign_id=campaign_id)
        _log.info("Starting campaign %s: %s", campaign_id, begun.row.name, extra=bound)
    if begun.health_due:
        bound = event("health_checking", campaign_id=campaign_id, accounts=begun.health_due)
        _log.info("Checking health of the accounts of campaign %s", campaign_id, extra=bound)
    return begun
