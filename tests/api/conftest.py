"""The API on the real Postgres, below the console as its role serves it, and programs that use it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace

import pytest
from werkzeug.test import Client

from api import context
from api.app import make_api
from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import list_scopes
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, create_campaign
from campaigns.management.recipients import Reading
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from campaigns.secrets import make_key
from campaigns.throttle.requests import RequestLimit
from console.app import make_app
from console.context import Parts
from tests.console.conftest import QuickHasher
from tests.support.actors import TESTER

ROOT = "/api/v1"
_numbers = itertools.count(1)


@dataclass
class Api:
    """`enqueued`: the campaigns that the API enqueued. `file_work_count`: how often it enqueued work with files.

    `broker`: the facts that the broker answers with.
    """

    database: object
    settings: Settings
    enqueued: list = field(default_factory=list)
    file_work_count: int = 0
    broker: BrokerFacts = field(default_factory=BrokerFacts)
    limit: RequestLimit = field(default_factory=lambda: RequestLimit(None))

    def __post_init__(self):
        shared = (self._enqueue, self._enqueue_file_work, lambda **_: self.broker)
        posts = RequestLimit(None, name="messages", most=self.settings.api_messages_per_second, seconds=1)
        self.app = make_api(context.Parts(self.settings, self.database, self.limit, *shared, posts))
        self.console = make_app(Parts(self.settings, self.database, QuickHasher(), *shared), self.app)

    def _enqueue(self, campaign_ids):
        self.enqueued += campaign_ids
        return True

    def _enqueue_file_work(self):
        self.file_work_count += 1
        return True

    def stranger(self):
        """A program without a token."""
        return Program(self.console, {})

    def program(self, role=Role.ADMIN, scopes=None, *, name=None, **options):
        """A program with a token of a new user. `scopes` None: all that the role allows."""
        name = name or f"{role}-{next(_numbers)}"
        add_user(self.database, name, actor=TESTER, role=role, password=None, time_zone="UTC")
        chosen = set(list_scopes(role) if scopes is None else scopes)
        options = {"days": 1, "actor": TESTER} | options
        added = add_token(self.database, "a program", owner=name, scopes=chosen, **options)
        return Program(self.console, {"Authorization": f"Bearer {added.secret}"}, added)


@dataclass
class Program:
    """Sends requests to the API. Each answer is JSON."""

    console: object
    headers: dict
    added: object = None

    def __call__(self, method, path, body=None, *, root=ROOT, **options):
        headers = self.headers | options.pop("headers", {})
        given = {"json": body} if body is not None else {}
        client, peer = Client(self.console), {"REMOTE_ADDR": "127.0.0.1"}
        return client.open(f"{root}{path}", method=method, headers=headers, environ_overrides=peer, **given, **options)

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, body=None, *, key=None, **options):
        headers = {"Idempotency-Key": key} if key else {}
        return self("POST", path, body, headers=headers | options.pop("headers", {}), **options)

    def patch(self, path, body, *, match, **options):
        return self("PATCH", path, body, headers={"If-Match": match}, **options)

    def ok(self, method, path, *arguments, **options):
        """Send a request that must work; its body."""
        answer = self(method, path, *arguments, **options)
        assert answer.status_code in {200, 201, 202}, answer.text
        return answer.json

    def problem(self, method, path, *arguments, **options):
        """Send a request that must be refused; its status and its code."""
        return read_problem(self(method, path, *arguments, **options))


def read_problem(answer):
    assert answer.content_type == "application/problem+json", answer.text
    assert answer.json["status"] == answer.status_code
    assert answer.json["type"] == f"docs/api.md#{answer.json['code']}"
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    return answer.status_code, answer.json["code"]


@pytest.fixture
def settings():
    return Settings(secret_key=make_key(), graph_api_url="http://127.0.0.1:9/v24.0")


@pytest.fixture
def api(database, settings):
    return Api(database, settings)


@pytest.fixture
def make_api_with(database, settings):
    return lambda **changes: Api(database, replace(settings, **changes))


@pytest.fixture
def program(api):
    """A program that may do everything that an admin may."""
    return api.program()


@pytest.fixture
def house(database, settings):
    """Two accounts and a template."""
    secrets = {"token": "EAAG-secret-token", "secret_key": settings.secret_key}
    for name, number in (("sales", "1065"), ("support", "1066")):
        add_account(database, name, phone_number_id=number, waba_id="22", **secrets, actor=TESTER)
    add_template(database, "promo", language="pt_BR", body="Oi {{1}}!", actor=TESTER)
    return database


@pytest.fixture
def make_draft(house, tmp_path):
    """Makes a draft with recipients; returns its id."""

    def make(name="Black Friday", phones=("+5511999990001", "+5511999990002")):
        file = tmp_path / "people.csv"
        file.write_text("phone,name\n" + "".join(f"{phone},Ana\n" for phone in phones))
        asked = CampaignChanges(name=name, template="promo:pt_BR", accounts=["sales"])
        return create_campaign(house, asked, file, Reading(), time_zone="UTC", actor=TESTER).id

    return make
