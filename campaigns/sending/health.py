"""Checks an account's health: stores, logs and alerts. It never pauses, deactivates, delays or blocks anything."""

from __future__ import annotations

import logging

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.health import Health, compare, health_from_json, read_health
from campaigns.logs import event
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import accounts
from campaigns.store.accounts import add_account_event
from campaigns.store.database import Connection, Database
from campaigns.whatsapp.graph import GraphError, read_phone_number

_log = logging.getLogger(__name__)


def check_account(
    account_id: int, campaign_id: int | None, *, database: Database, settings: Settings, alerts: Alerts
) -> Health | None:
    """Ask Meta for the health of an account, and keep what it says; None if it said nothing readable.

    `campaign_id` is who asks, for the log only. No connection to Postgres is held while waiting for Meta.
    """
    account = database.run(accounts.load_checked, account_id)
    if account is None:
        return None
    try:
        answer = read_phone_number(
            settings.graph_api_url,
            account.phone_number_id,
            decrypt_token(settings.secret_key or "", account.token),
            connect_timeout=settings.connect_timeout_seconds,
            timeout=settings.health_timeout_seconds,
        )
    except (GraphError, TokenError) as error:
        _note_failure(account_id, campaign_id, str(error), database)
        return None
    before = health_from_json(account.health)
    health = read_health(answer).over(before)
    direction, changes = compare(before, health)

    def keep(connection: Connection) -> None:
        accounts.record_health(connection, account_id, health.as_json())
        if direction:
            kind = "health_worse" if direction == "worse" else "health_better"
            add_account_event(connection, account_id, kind, {"changes": changes, **health.as_json()})  # type: ignore[arg-type]

    database.run(keep)
    _tell(account_id, health)
    if direction == "worse":
        text = f"Account {account_id} health changed for the worse: {changes}; it stays active"
        _log.warning(text, extra=event("health_worse", account_id=account_id))
        alerts.send("health_worse", text, account_id=account_id)
    elif direction:
        text = f"Account {account_id} health is better: {changes}"
        _log.warning(text, extra=event("health_better", account_id=account_id))
        alerts.send("health_better", text, account_id=account_id)
    return health


def _tell(account_id: int, health: Health) -> None:
    if trouble := health.describe():
        _log.info(
            "[INFO] Account %s health not ideal: %s; stays active, only real send failures deactivate accounts",
            account_id,
            trouble,
            extra=event("health_not_ideal", account_id=account_id),
        )
    else:
        bound = event("health_ok", account_id=account_id)
        _log.info("Account %s health OK (%s)", account_id, health.quality or "UNKNOWN", extra=bound)


def _note_failure(account_id: int, campaign_id: int | None, reason: str, database: Database) -> None:
    who = f"account {account_id}" if campaign_id is None else f"campaign {campaign_id}"
    bound = event("health_failed", account_id=account_id, campaign_id=campaign_id)
    _log.warning("Health check failed for %s, going on: %s", who, reason, extra=bound)

    def keep(connection: Connection) -> None:
        if accounts.record_failure(connection, account_id, reason):
            add_account_event(connection, account_id, "health_failed", {"reason": reason})

    database.run(keep)
