"""Tests the pieces of a setup: the settings, Postgres, Valkey, the accounts and apps at Meta, and our webhook.

The tests leave nothing behind. They write a key to Valkey that expires after a second. They also post an empty webhook
event, which is stored, applied and deleted.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from campaigns.config import Settings
from campaigns.doctor.setup_checks import (
    CALLBACK,
    NUMBER,
    SUBSCRIPTION,
    TOKEN,
    Check,
    State,
    judge_app,
    judge_number,
    judge_subscription,
    judge_template,
    judge_token,
    read_app_id,
)
from campaigns.domain.failures import INVALID_TOKEN
from campaigns.domain.statement import Count, Entry, Field, Hint, HintAction, Sentence, Word
from campaigns.domain.verdict import Blame
from campaigns.secrets import TokenError, decrypt_token
from campaigns.store.accounts import find_account_ids
from campaigns.store.database import Connection, Database, DatabaseError, DatabaseUnavailable
from campaigns.store.installation import SetupAccount, UsedTemplate, load_setup_accounts, load_used_templates
from campaigns.store.migrate import find_missing_migrations
from campaigns.throttle.inspection import examine
from campaigns.whatsapp import graph, webhook_probe

WEBHOOK_PATH = "/webhooks/whatsapp"
# The subjects and names of several checks.
ACCOUNTS = Word("accounts")
_SERVERS, _WEBHOOK, _ADDRESS = Word("servers"), Word("webhook"), Word("address")
_HANDSHAKE, _SIGNED_EVENT = Word("handshake"), Word("signed event")

_PING_SECONDS = 3.0
_ACCOUNTS_AT_ONCE = 8
_NEEDED = (
    ("REVOADA_SECRET_KEY", "secret_key", Sentence("{make_key} makes one.", make_key=Hint(HintAction.MAKE_KEY))),
    ("META_APP_SECRET", "meta_app_secret", Sentence("Copy it from the App dashboard, App settings, Basic, into .env.")),
    (
        *("META_VERIFY_TOKEN", "meta_verify_token"),
        Sentence("Put a word of your own into .env, and the same into Meta's form."),
    ),
)
_APP_SECRET = re.compile("[0-9a-f]{32}")
_NO_ADDRESS = Sentence("Put it into .env, or load the environment of `make up`: . .revoada/env")


def check_settings(settings: Settings) -> list[Check]:
    """Check whether the secrets are set, and whether the app secret looks like one; their values are not shown."""
    checks = []
    for variable, name, advice in _NEEDED:
        value = getattr(settings, name)
        if not value:
            checks.append(Check(Word("settings"), variable, State.MISSING, Sentence("not set"), advice))
        elif name == "meta_app_secret" and not _APP_SECRET.fullmatch(value):
            text = Sentence("is no app secret of Meta's, which has 32 characters from 0-9 and a-f")
            checks.append(Check(Word("settings"), variable, State.UNKNOWN, text, advice))
        else:
            checks.append(Check(Word("settings"), variable, State.OK, Sentence("set")))
    return checks


def check_database(database: Database | None, *, explain: Callable[[Exception], str]) -> Check:
    """Check whether Postgres answers and is migrated. `database` None: DATABASE_URL is not set."""
    if database is None:
        return Check(_SERVERS, "Postgres", State.MISSING, Sentence("DATABASE_URL is not set"), _NO_ADDRESS)
    try:
        missing = database.run(find_missing_migrations)
    except (DatabaseError, *DatabaseUnavailable) as error:
        advice = Sentence("Start it, and look at DATABASE_URL.")
        text = Sentence("does not answer: {error}", error=explain(error))
        return Check(_SERVERS, "Postgres", State.MISSING, text, advice)
    if missing:
        text = Sentence("lacks {migrations}", migrations=Count(len(missing), "migration"))
        advice = Sentence("Run {migrate}.", migrate=Hint(HintAction.MIGRATE))
        return Check(_SERVERS, "Postgres", State.MISSING, text, advice)
    return Check(_SERVERS, "Postgres", State.OK, Sentence("answers and is migrated"))


def check_valkey(url: str | None) -> Check:
    """Check whether Valkey answers and takes writes."""
    if url is None:
        return Check(_SERVERS, "Valkey", State.MISSING, Sentence("REDIS_URL is not set"), _NO_ADDRESS)
    facts = examine(url, timeout_seconds=_PING_SECONDS)
    if facts.tls_error:
        advice = Sentence("Let REDIS_URL name the host as its certificate does, and the file of its CA (ssl_ca_certs).")
        return Check(_SERVERS, "Valkey", State.MISSING, Sentence("TLS fails: {error}", error=facts.tls_error), advice)
    if reply := facts.reply or facts.refusal:
        advice = Sentence("Let REDIS_URL name a primary that takes writes. The log of the server says why it does not.")
        return Check(_SERVERS, "Valkey", State.MISSING, Sentence("answers: {reply}", reply=reply), advice)
    if facts.away:
        advice = Sentence("Start it, and look at REDIS_URL.")
        return Check(_SERVERS, "Valkey", State.MISSING, Sentence("does not answer: {error}", error=facts.away), advice)
    return Check(_SERVERS, "Valkey", State.OK, Sentence("answers"))


def check_accounts(
    database: Database, settings: Settings, words: Sequence[str], *, webhook_url: str | None, now: dt.datetime
) -> list[Check]:
    """Ask Meta about accounts, the templates that their campaigns send, and the apps of their tokens.

    `words`: the names or ids of the accounts; if there are none, all accounts are checked. Raises Refusal if an account
    does not exist. No connection to Postgres is held while Meta answers.
    """

    def load(connection: Connection) -> tuple[list[SetupAccount], list[UsedTemplate]]:
        ids = find_account_ids(connection, words) if words else None
        return load_setup_accounts(connection, ids), load_used_templates(connection)

    accounts, templates = database.run(load)
    if not accounts:
        advice = Sentence("Add one: {add}.", add=Hint(HintAction.ADD_ACCOUNT))
        return [Check(ACCOUNTS, ACCOUNTS, State.MISSING, Sentence("there is none"), advice)]

    def run(checks: _AccountChecks) -> list[Check]:
        used = [template for template in templates if template.account_id == checks.account.id]
        return checks.run(used, now)

    accounts_checks = [_AccountChecks(account, settings) for account in accounts]
    with ThreadPoolExecutor(_ACCOUNTS_AT_ONCE) as threads:
        found = [check for checks in threads.map(run, accounts_checks) for check in checks]
    app_ids = sorted({each.app_id for each in accounts_checks if each.app_id is not None})
    return found + [check for app_id in app_ids for check in _check_app(settings, app_id, webhook_url)]


def _check_app(settings: Settings, app_id: str, webhook_url: str | None) -> list[Check]:
    """Ask Meta to which address it posts an app's webhooks. The request also tests the app secret, which it needs."""
    subject = Sentence("app {app_id}", app_id=app_id)
    if settings.meta_app_secret is None:
        text = Sentence("Meta does not tell it without META_APP_SECRET")
        return [Check(subject, CALLBACK, State.UNKNOWN, text)]
    url = None if webhook_url is None else _find_webhook(webhook_url)
    try:
        answer = graph.read_app_webhooks(settings.graph_api_url, app_id, settings.meta_app_secret, **_waits(settings))
    except graph.GraphError as error:
        wrong_secret = Sentence(
            "META_APP_SECRET must be the secret of the app {app_id}: App dashboard, App settings, Basic.", app_id=app_id
        )
        advice = error.advice if error.failure is None else wrong_secret
        return [Check(subject, CALLBACK, State.MISSING, error.full_text, advice)]
    return judge_app(subject, answer, url=url)


class _AccountChecks:
    """All checks of one account."""

    def __init__(self, account: SetupAccount, settings: Settings) -> None:
        self.account, self._settings = account, settings
        self.app_id: str | None = None  # the id of the token's app; None until Meta has named it
        self._subject = Sentence("account {name}", name=account.name)
        self._token = ""

    def run(self, templates: Sequence[UsedTemplate], now: dt.datetime) -> list[Check]:
        """Return the results of all checks. If an advice names a command, the command names this account."""
        found = self._run(templates, now)
        return [
            replace(check, advice=None if check.advice is None else check.advice.aim(account=[self.account.name]))
            for check in found
        ]

    def _run(self, templates: Sequence[UsedTemplate], now: dt.datetime) -> list[Check]:
        account, subject = self.account, self._subject
        if not self._settings.secret_key:
            return [Check(subject, TOKEN, State.UNKNOWN, Sentence("cannot be read without REVOADA_SECRET_KEY"))]
        try:
            self._token = decrypt_token(self._settings.secret_key, account.token)
        except TokenError as error:
            return [Check(subject, TOKEN, State.MISSING, Sentence("cannot be decrypted"), error)]

        def check_token() -> list[Check]:
            answer = self._read(graph.read_token)
            self.app_id = read_app_id(answer)
            return judge_token(subject, answer, waba_id=account.waba_id, now=now)

        checks = self._ask(TOKEN, check_token, may_refuse=True)
        checks += self._ask(
            NUMBER, lambda: judge_number(subject, self._read(graph.read_registration, account.phone_number_id))
        )
        checks += self._ask(
            SUBSCRIPTION,
            lambda: [
                judge_subscription(subject, self._read(graph.read_subscribed_apps, account.waba_id), app_id=self.app_id)
            ],
        )
        for template in templates:
            checks += self._check_template(template)
        return checks

    def _check_template(self, template: UsedTemplate) -> list[Check]:
        waba_id = self.account.waba_id
        name = Sentence("template {name}", name=f"{template.name}:{template.language}")

        def check() -> list[Check]:
            more = {"name": template.name, "language": template.language}
            status = self._read(graph.find_template_status, waba_id, **more)
            return [judge_template(self._subject, name, status, waba_id=waba_id)]

        return self._ask(name, check)

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

    def _ask(self, name: Sentence | str, check: Callable[[], list[Check]], *, may_refuse: bool = False) -> list[Check]:
        """Return the results of `check`. If `check` raises GraphError, return a result with the reason.

        `may_refuse`: Meta may refuse to answer although the token is valid, because Meta describes a token only to
        people with a role in its app.
        """
        try:
            return check()
        except graph.GraphError as error:
            if may_refuse and error.code not in {None, INVALID_TOKEN.code}:
                return [Check(self._subject, name, State.UNKNOWN, error.full_text, _LOOK_YOURSELF)]
            # If the token may not use an id, Meta reports that a parameter of the request is wrong.
            is_wrong_id = error.failure is not None and error.failure.blame is Blame.MESSAGE
            advice = _CHECK_IDS if is_wrong_id else error.advice
            return [Check(self._subject, name, State.MISSING, error.full_text, advice)]


_LOOK_YOURSELF = Sentence("Look at the token yourself: developers.facebook.com, Tools, Access token debugger.")
_CHECK_IDS = Sentence(
    "Check the account's ids, and that the system user may use the number and the WABA (Settings, System users)."
)


def check_webhook(settings: Settings, url: str | None) -> list[Check]:
    """Call our webhook as Meta would. A successful call does not prove that Meta, too, reaches the webhook."""
    if url is None:
        check = Hint(HintAction.CHECK_SETUP, entry=Entry(Field.WEBHOOK_URL))
        advice = Sentence("Give its public address: {check}", check=check)
        return [Check(_WEBHOOK, _ADDRESS, State.UNKNOWN, Sentence("not tested"), advice)]
    url, parts = _find_webhook(url), urlsplit(url)
    checks = []
    if parts.scheme != "https":
        advice = Sentence("Put a proxy with a certificate in front of it.")
        checks.append(Check(_WEBHOOK, _ADDRESS, State.UNKNOWN, Sentence("Meta calls https addresses only"), advice))
    if settings.meta_verify_token:
        checks.append(_check_handshake(settings, url, settings.meta_verify_token))
    if settings.meta_app_secret:
        checks += _check_signatures(settings, url, settings.meta_app_secret)
    return checks


def _find_webhook(url: str) -> str:
    """Return the address of the webhook. `url` is this address, or an address without a path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{WEBHOOK_PATH}" if parts.path in {"", "/"} else url


def _check_handshake(settings: Settings, url: str, verify_token: str) -> Check:
    try:
        status, is_echoed = webhook_probe.verify_callback(url, verify_token, **_waits(settings))
    except webhook_probe.CallbackError as error:
        return _unreached(_HANDSHAKE, error)
    if status == HTTPStatus.OK and is_echoed:
        return Check(_WEBHOOK, _HANDSHAKE, State.OK, Sentence("answered as Meta expects"))
    if status == HTTPStatus.FORBIDDEN:
        advice = Sentence("Start the role `webhooks` with the META_VERIFY_TOKEN of this .env.")
        return Check(_WEBHOOK, _HANDSHAKE, State.MISSING, Sentence("the verify token is refused"), advice)
    text = Sentence("answers {status}" if is_echoed else "answers {status}, without Meta's challenge", status=status)
    return Check(_WEBHOOK, _HANDSHAKE, State.MISSING, text, _WRONG_ADDRESS)


def _check_signatures(settings: Settings, url: str, app_secret: str) -> list[Check]:
    checks = []
    for name, secret, expected in (
        (_SIGNED_EVENT, app_secret, HTTPStatus.OK),
        (Word("wrong signature"), f"not {app_secret}", HTTPStatus.UNAUTHORIZED),
    ):
        try:
            status = webhook_probe.post_empty_event(url, secret, **_waits(settings))
        except webhook_probe.CallbackError as error:
            checks.append(_unreached(name, error))
            continue
        if status == expected:
            taken = Sentence("taken" if expected == HTTPStatus.OK else "refused")
            checks.append(Check(_WEBHOOK, name, State.OK, taken))
        elif name == _SIGNED_EVENT and status == HTTPStatus.UNAUTHORIZED:
            advice = Sentence(
                "Put the app's secret into META_APP_SECRET (App dashboard, App settings, Basic); restart `webhooks`."
            )
            text = Sentence("refused: signed with another secret")
            checks.append(Check(_WEBHOOK, name, State.MISSING, text, advice))
        elif status == HTTPStatus.SERVICE_UNAVAILABLE:
            text = Sentence("cannot be stored: Postgres does not answer the receiver")
            advice = Sentence("Look at the log of the role `webhooks`.")
            checks.append(Check(_WEBHOOK, name, State.MISSING, text, advice))
        else:
            text = Sentence("answers {status}", status=status)
            checks.append(Check(_WEBHOOK, name, State.MISSING, text, _WRONG_ADDRESS))
    return checks


_WRONG_ADDRESS = Sentence("Look whether the address leads to {path} of the role `webhooks`.", path=WEBHOOK_PATH)


def _unreached(name: Word, error: webhook_probe.CallbackError) -> Check:
    advice = Sentence("Start the role `webhooks`, and look whether the proxy in front leads to it.")
    return Check(_WEBHOOK, name, State.MISSING, error.reason, advice)


def _waits(settings: Settings) -> dict[str, float]:
    return {"connect_timeout": settings.connect_timeout_seconds, "timeout": settings.health_timeout_seconds}
