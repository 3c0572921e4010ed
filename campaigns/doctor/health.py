"""Asks Meta for the health of an account, stores and logs the health, and sends an alert if the health changed.

A check never pauses a campaign, deactivates an account or delays a message.
"""

from __future__ import annotations

import logging

from campaigns.alerts import Alerts
from campaigns.config import Settings
from campaigns.domain.health import Health, Trend, compare, health_from_json, read_health
from campaigns.domain.statement import Sentence, list_sentences
from campaigns.logs import event
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store import accounts
from campaigns.store.accounts import Kind, add_account_event
from campaigns.store.database import Connection, Database
from campaigns.whatsapp.graph import GraphError, read_phone_number

_log = logging.getLogger(__name__)


def check_account(
    account_id: int, campaign_id: int | None, *, database: Database, settings: Settings, alerts: Alerts
) -> Health | GraphError | TokenError | None:
    """Ask Meta for the health of an account, store the health and return it.

    Returns the error if the token cannot be decrypted, or if Meta gave no readable answer. Returns None if there is no
    such account. `campaign_id`: the campaign that requested the check; only the log uses it. No connection to Postgres
    is held during the request to Meta.
    """
    account = database.run(accounts.load_account_to_check, account_id)
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
        _note_failure(account_id, campaign_id, error, database)
        return error
    before = health_from_json(account.health)
    health = read_health(answer).over(before)
    trend, changes = compare(before, health)
    listed = list_sentences(changes) if changes else None

    def store(connection: Connection) -> None:
        accounts.record_health(connection, account_id, health.as_json())
        if trend is not Trend.SAME:
            kind: Kind = "health_worse" if trend is Trend.WORSE else "health_better"
            add_account_event(connection, account_id, kind, {"changes": str(listed), **health.as_json()})

    database.run(store)
    _log_health(account_id, health)
    if trend is Trend.WORSE:
        text = Sentence(
            "Account {account} health changed for the worse: {changes}; it stays active",
            account=account_id,
            changes=listed,
        )
        _log.warning(text, extra=event("health_worse", account_id=account_id))
        alerts.send("health_worse", str(text), account_id=account_id)
    elif trend is Trend.BETTER:
        text = Sentence("Account {account} health is better: {changes}", account=account_id, changes=listed)
        _log.warning(text, extra=event("health_better", account_id=account_id))
        alerts.send("health_better", str(text), account_id=account_id)
    return health


def check_now(database: Database, settings: Settings, account_id: int, name: str) -> Sentence | None:
    """Check the health of an account while a person waits; return why no answer could be read, else None.

    No alert is sent, because the person sees the result.
    """
    settings.require("secret_key")
    found = check_account(account_id, None, database=database, settings=settings, alerts=Alerts(None))
    if isinstance(found, GraphError):
        return found.explain(name)
    return found if isinstance(found, TokenError) else None


def _log_health(account_id: int, health: Health) -> None:
    if trouble := health.describe():
        _log.info(
            "[INFO] Account %s health not ideal: %s; stays active, only real send failures deactivate accounts",
            account_id,
            list_sentences(trouble),
            extra=event("health_not_ideal", account_id=account_id),
        )
    else:
        bound = event("health_ok", account_id=account_id)
        _log.info("Account %s health OK (%s)", account_id, health.quality or "UNKNOWN", extra=bound)


def _note_failure(account_id: int, campaign_id: int | None, error: GraphError | TokenError, database: Database) -> None:
    said = error.said if isinstance(error, GraphError) else ""
    full_text = error.full_text if isinstance(error, GraphError) else error
    of_account, of_campaign = Sentence("account {id}", id=account_id), Sentence("campaign {id}", id=campaign_id)
    subject = of_account if campaign_id is None else of_campaign
    bound = event("health_failed", account_id=account_id, campaign_id=campaign_id)
    _log.warning("Health check failed for %s, going on: %s", subject, full_text, extra=bound)

    def store(connection: Connection) -> None:
        # Meta's own text may differ each time. So only `str(error)`, which lacks this text, is compared with the last
        # reason.
        if accounts.record_health_failure(connection, account_id, str(error)):
            add_account_event(connection, account_id, "health_failed", {"reason": str(error), "said": said})

    database.run(store)
