"""The console on the real Postgres, and people who use it with Flask's client."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from html import unescape
from html.parser import HTMLParser

import pytest

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.domain.users.rights import Role
from campaigns.management.files.work import do_next_job
from campaigns.management.users.hashing import Hasher
from campaigns.secrets import make_key
from campaigns.store.users.users import insert_user
from console.app import make_app
from console.context import Parts

WORDS = "quatro palavras sem nexo"
LOCAL = {"Host": "localhost:8080"}


class QuickHasher(Hasher):
    """Compares without argon2, which takes 0.3 s for each password."""

    def __init__(self):
        pass

    def is_outdated(self, password_hash):
        return False

    def hash(self, password):
        return "$argon2id$of-a-test"

    def verify(self, password_hash, password):
        return password_hash is not None and password == WORDS


@dataclass
class Console:
    """`enqueued`: the campaigns that the pages enqueued. `file_work_count`: how often they enqueued work with files.

    `broker`: the state of the broker. `asked`: whether the pages asked the processes, each time they asked the broker.
    """

    database: object
    settings: Settings
    enqueued: list = field(default_factory=list)
    file_work_count: int = 0
    broker: BrokerFacts = field(default_factory=BrokerFacts)
    asked: list = field(default_factory=list)

    def __post_init__(self):
        asks = (self._enqueue, self._enqueue_file_work, self._ask_broker)
        self.app = make_app(Parts(self.settings, self.database, QuickHasher(), *asks))

    def _enqueue(self, campaign_ids):
        self.enqueued += campaign_ids
        return True

    def _ask_broker(self, *, asks_processes):
        self.asked.append(asks_processes)
        return self.broker

    def _enqueue_file_work(self):
        self.file_work_count += 1
        return True

    def do_file_work(self):
        """Do what the role `files` does."""
        while do_next_job(self.database, secret_key=None, overlap_days=7):
            pass

    def browser(self):
        return Browser(self.app)

    def sign_in(self, role=Role.OPERATOR, *, name=None, language="en", **columns):
        """A browser in which a new user is signed in."""
        name = name or f"{role}-{language.lower().replace('_', '-')}"
        chosen = {
            "role": role,
            "password_hash": "$argon2id$of-a-test",
            "time_zone": "UTC",
            "language": language,
        } | columns
        self.database.run(insert_user, name, **chosen)
        browser = self.browser()
        assert browser.log_in(name).status_code == 302
        return browser


class Browser:
    """Flask's client with the host of the console. It reads the token of a form, as a browser sends it."""

    def __init__(self, app, headers=LOCAL, base_url="http://localhost:8080"):
        self.client, self.headers, self.base_url = app.test_client(), dict(headers), base_url

    def get(self, path, **options):
        headers = self.headers | options.pop("headers", {})
        return self.client.get(path, headers=headers, base_url=self.base_url, **options)

    def post(self, path, data=None, *, form=None, **options):
        """Send a form. `form`: the page that has the form; by default the page with the same path."""
        token = read_token(self.get(form or path).text)
        headers = self.headers | options.pop("headers", {})
        sent = {"csrf_token": token} | (data or {})
        return self.client.post(path, data=sent, headers=headers, base_url=self.base_url, **options)

    def put(self, path, data, *, form=None, **options):
        """Send the body of a request, with the token of the page `form`, by default of the page with the same path."""
        headers = {"X-CSRFToken": read_token(self.get(form or path).text)} | options.pop("headers", {})
        return self.client.put(path, data=data, headers=self.headers | headers, base_url=self.base_url, **options)

    def post_raw(self, path, data=None, **options):
        headers = self.headers | options.pop("headers", {})
        return self.client.post(path, data=data, headers=headers, base_url=self.base_url, **options)

    def log_in(self, name, password=WORDS, **options):
        return self.post("/login", {"name": name, "password": password} | options)


def read_token(page):
    return re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)[1]


def read_notes(page):
    """The values of the boxes in which a person confirms the notes of a page."""
    return [unescape(each) for each in re.findall(r'name="agrees" value="([^"]+)"', page)]


class _Texts(HTMLParser):
    def __init__(self):
        super().__init__()
        self.parts = []

    def handle_data(self, data):
        self.parts.append(data)


def read_text(page):
    """The words of a page, without tags, on one line."""
    parser = _Texts()
    parser.feed(page)
    return " ".join("".join(parser.parts).split())


@pytest.fixture
def settings():
    return Settings(secret_key=make_key())


@pytest.fixture
def console(database, settings):
    return Console(database, settings)


@pytest.fixture
def make_console(database, settings):
    return lambda **changes: Console(database, replace(settings, **changes))
