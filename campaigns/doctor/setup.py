"""Tests each piece of a setup against what it needs: Meta, our webhook, Postgres, Valkey, the processes.

It changes nothing: the one thing that is stored is an empty webhook event, which is applied and deleted.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from campaigns.config import Settings
from campaigns.doctor.setup_checks import (
    Check,
    SetupError,
    State,
    judge_app,
    judge_number,
    judge_subscription,
    judge_template,
    judge_token,
    read_app_id,
)
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store.accounts import find_account_ids
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.installation import SetupAccount, UsedTemplate, load_setup_accounts, load_used_templates
from campaigns.store.migrate import missing_migrations
from campaigns.throttle.inspection import examine
from campaigns.whatsapp import graph, webhook_probe

WEBHOOK_PATH = "/webhooks/whatsapp"

_PING_SECONDS = 3.0
_ACCOUNTS_AT_ONCE = 8
_INVALID_TOKEN = 190
_NEEDED = (
    ("REVOADA_SECRET_KEY", "secret_key", "`revoada keygen --env-file .env` makes one."),
    ("META_APP_SECRET", "meta_app_secret", "Copy it from the App dashboard, App settings, Basic, into .env."),
    ("META_VERIFY_TOKEN", "meta_verify_token", "Put a word of your own into .env, and the same into Meta's form."),
)


def check_settings(settings: Settings) -> list[Check]:
    """Look whether the secrets are set; what they are stays unsaid."""
    return [
        Check("settings", variable, State.OK, "set")
        if getattr(settings, name)
        else Check("settings", variable, State.MISSING, "not set", advice)
        for variable, name, advice in _NEEDED
    ]


def check_database(database: Database | None) -> Check:
    """Look whether Postgres answers and is migrated. None: there is no address."""
    if database is None:
        advice = "Put it into .env, or load the environment of `make up`: . .revoada/env"
        return Check("servers", "Postgres", State.MISSING, "DATABASE_URL is not set", advice)
    try:
        missing = database.run(missing_migrations)
    except (DatabaseError, *DatabaseUnavailable) as error:
        advice = "Start it, and look at DATABASE_URL."
        return Check("servers", "Postgres", State.MISSING, f"does not answer: {type(error).__name__}", advice)
    if missing:
        text = f"lacks {len(missing)} migration(s)"
        return Check("servers", "Postgres", State.MISSING, text, "Run `revoada migrate`.")
    return Check("servers", "Postgres", State.OK, "answers and is migrated")


def check_valkey(url: str | None) -> Check:
    """Check whether Valkey answers and takes writes."""
    if url is None:
        advice = "Put it into .env, or load the environment of `make up`: . .revoada/env"
        return Check("servers", "Valkey", State.MISSING, "REDIS_URL is not set", advice)
    facts = examine(url, timeout_seconds=_PING_SECONDS)
    if reply := facts.reply or facts.refusal:
        advice = "Let REDIS_URL lead to a primary that takes writes; its own log says what it lacks."
        return Check("servers", "Valkey", State.MISSING, f"answers: {reply}", advice)
    if facts.away:
        advice = "Start it, and look at REDIS_URL."
        return Check("servers", "Valkey", State.MISSING, f"does not answer: {facts.away}", advice)
    return Check("servers", "Valkey", State.OK, "answers")


def check_accounts(
    database: Database, settings: Settings, words: Sequence[str], *, webhook_url: str | None, now: dt.datetime
) -> list[Check]:
    """Ask Meta about accounts (names or ids; none: all), the templates that their campaigns send, and their apps.

    Raises SetupError for an account that does not exist. No connection to Postgres is held while waiting for Meta.
    """

    def load(connection: Connection) -> tuple[list[SetupAccount], list[UsedTemplate]]:
        found = find_account_ids(connection, words) if words else {}
        if missing := [word for word, account_id in found.items() if account_id is None]:
            raise SetupError(f"There is no account {', '.join(missing)}; `revoada account list` shows all.")
        ids = [account_id for account_id in found.values() if account_id is not None] if words else None
        return load_setup_accounts(connection, ids), load_used_templates(connection)

    accounts, templates = database.run(load)
    if not accounts:
        return [Check("accounts", "accounts", State.MISSING, "there is none", "Add one: `revoada account add -h`.")]

    def run(look: _Look) -> list[Check]:
        used = [template for template in templates if template.account_id == look.account.id]
        return look.run(used, now)

    looks = [_Look(account, settings) for account in accounts]
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as threads:
        found = [check for checks in threads.map(run, looks) for check in checks]
    app_ids = sorted({look.app_id for look in looks if look.app_id is not None})
    return found + [check for app_id in app_ids for check in _check_app(settings, app_id, webhook_url)]


def _check_app(settings: Settings, app_id: str, webhook_url: str | None) -> list[Check]:
    """Ask Meta where an app's webhooks go. Only the app itself is told, so its secret is tested, too."""
    subject = f"app {app_id}"
    if settings.meta_app_secret is None:
        return [Check(subject, "callback URL", State.UNKNOWN, "Meta does not tell it without META_APP_SECRET")]
    url = None if webhook_url is None else _find_webhook(webhook_url)
    try:
        answer = graph.read_app_webhooks(settings.graph_api_url, app_id, settings.meta_app_secret, **_waits(settings))
    except graph.GraphError as error:
        advice = f"META_APP_SECRET must be the secret of the app {app_id}: App dashboard, App settings, Basic."
        advice = _advise(None, is_kept=False) if error.code is None else advice
        return [Check(subject, "callback URL", State.MISSING, str(error), advice)]
    return judge_app(subject, answer, url=url)


class _Look:
    """All questions about one account."""

    def __init__(self, account: SetupAccount, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self.app_id: str | None = None  # of the token, once Meta has told it
        self._subject = f"account {account.name}"
        self._token = ""

    def run(self, templates: Sequence[UsedTemplate], now: dt.datetime) -> list[Check]:
        account, subject = self.account, self._subject
        if not self._settings.secret_key:
            return [Check(subject, "token", State.UNKNOWN, "cannot be read without REVOADA_SECRET_KEY")]
        try:
            self._token = decrypt_token(self._settings.secret_key, account.token)
        except TokenError as error:
            return [Check(subject, "token", State.MISSING, "cannot be decrypted", str(error))]

        def look_at_token() -> list[Check]:
            answer = self._read(graph.read_token)
            self.app_id = read_app_id(answer)
            return judge_token(subject, answer, waba_id=account.waba_id, now=now)

        checks = self._ask("token", look_at_token, may_refuse=True)
        checks += self._ask(
            "number", lambda: judge_number(subject, self._read(graph.read_registration, account.phone_number_id))
        )
        checks += self._ask(
            "webhook subscription",
            lambda: [
                judge_subscription(subject, self._read(graph.read_subscribed_apps, account.waba_id), app_id=self.app_id)
            ],
        )
        for template in templates:
            checks += self._look_at_template(template)
        return checks

    def _look_at_template(self, template: UsedTemplate) -> list[Check]:
        name, waba_id = f"template {template.name}:{template.language}", self.account.waba_id

        def look() -> list[Check]:
            more = {"name": template.name, "language": template.language}
            status = self._read(graph.find_template_status, waba_id, **more)
            return [judge_template(self._subject, name, status, waba_id=waba_id)]

        return self._ask(name, look)

    def _read(self, read: Callable[..., Any], *what: str, **more: str) -> Any:
        settings = self._settings
        return read(
            settings.graph_api_url,
            *what,
            self._token,
            connect_timeout=settings.connect_timeout_seconds,
            timeout=settings.health_timeout_seconds,
            **more,
        )

    def _ask(self, name: str, look: Callable[[], list[Check]], *, may_refuse: bool = False) -> list[Check]:
        """Return what a look finds, or that Meta did not answer it.

        `may_refuse`: Meta may keep this from a token that is good (only people of the app are told about tokens).
        """
        try:
            return look()
        except graph.GraphError as error:
            is_kept = may_refuse and error.code not in {None, _INVALID_TOKEN}
            state = State.UNKNOWN if is_kept else State.MISSING
            return [Check(self._subject, name, state, str(error), _advise(error.code, is_kept=is_kept))]


def _advise(code: int | None, *, is_kept: bool) -> str:
    if is_kept:
        return "Look at the token yourself: developers.facebook.com, Tools, Access token debugger."
    if code == _INVALID_TOKEN:
        return "Make a new token of the system user, then `revoada account set ACCOUNT --token-stdin`."
    if code is None:
        return "Look whether this machine reaches GRAPH_API_URL, then try again."
    return "Check the account's ids, and that the system user may use the number and the WABA (Settings, System users)."


def check_webhook(settings: Settings, url: str | None) -> list[Check]:
    """Call our webhook as Meta would, from this machine: whether Meta reaches it too is the address's affair."""
    if url is None:
        advice = "Give its public address: `revoada check-setup --webhook-url https://…`"
        return [Check("webhook", "address", State.UNKNOWN, "not tested", advice)]
    url, parts = _find_webhook(url), urlsplit(url)
    checks = []
    if parts.scheme != "https":
        advice = "Put a proxy with a certificate in front of it."
        checks.append(Check("webhook", "address", State.UNKNOWN, "Meta calls https addresses only", advice))
    if settings.meta_verify_token:
        checks.append(_check_handshake(settings, url, settings.meta_verify_token))
    if settings.meta_app_secret:
        checks += _check_signatures(settings, url, settings.meta_app_secret)
    return checks


def _find_webhook(url: str) -> str:
    """Return the address of the webhook where only that of its host is given."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{WEBHOOK_PATH}" if parts.path in {"", "/"} else url


def _check_handshake(settings: Settings, url: str, verify_token: str) -> Check:
    try:
        status, is_echoed = webhook_probe.shake_hands(url, verify_token, **_waits(settings))
    except webhook_probe.CallbackError as error:
        return _unreached("handshake", error)
    if status == HTTPStatus.OK and is_echoed:
        return Check("webhook", "handshake", State.OK, "answered as Meta expects")
    if status == HTTPStatus.FORBIDDEN:
        advice = "Start the role `webhooks` with the META_VERIFY_TOKEN of this .env."
        return Check("webhook", "handshake", State.MISSING, "the verify token is refused", advice)
    text = f"answers {status}, without Meta's challenge" if not is_echoed else f"answers {status}"
    return Check("webhook", "handshake", State.MISSING, text, _WRONG_ADDRESS)


def _check_signatures(settings: Settings, url: str, app_secret: str) -> list[Check]:
    checks = []
    for name, secret, expected in (
        ("signed event", app_secret, HTTPStatus.OK),
        ("wrong signature", f"not {app_secret}", HTTPStatus.UNAUTHORIZED),
    ):
        try:
            status = webhook_probe.post_empty_event(url, secret, **_waits(settings))
        except webhook_probe.CallbackError as error:
            checks.append(_unreached(name, error))
            continue
        if status == expected:
            text = "taken" if expected == HTTPStatus.OK else "refused"
            checks.append(Check("webhook", name, State.OK, text))
        elif name == "signed event" and status == HTTPStatus.UNAUTHORIZED:
            advice = (
                "Put the app's secret into META_APP_SECRET (App dashboard, App settings, Basic); restart `webhooks`."
            )
            checks.append(Check("webhook", name, State.MISSING, "refused: signed with another secret", advice))
        elif status == HTTPStatus.SERVICE_UNAVAILABLE:
            text = "cannot be stored: Postgres does not answer the receiver"
            checks.append(Check("webhook", name, State.MISSING, text, "Look at the log of the role `webhooks`."))
        else:
            checks.append(Check("webhook", name, State.MISSING, f"answers {status}", _WRONG_ADDRESS))
    return checks


_WRONG_ADDRESS = f"Look whether the address leads to {WEBHOOK_PATH} of the role `webhooks`."


def _unreached(name: str, error: Exception) -> Check:
    advice = "Start the role `webhooks`, and look whether the proxy in front leads to it."
    return Check("webhook", name, State.MISSING, str(error), advice)


def _waits(settings: Settings) -> dict[str, float]:
    return {"connect_timeout": settings.connect_timeout_seconds, "timeout": settings.health_timeout_seconds}
