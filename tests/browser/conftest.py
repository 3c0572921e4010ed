"""A real Chromium before the console's real server. `make test-browser` runs these tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright
from werkzeug.serving import make_server

from campaigns.broker.queues import BrokerFacts
from campaigns.config import Settings
from campaigns.domain.users.rights import Role
from campaigns.management.users.users import add_user
from campaigns.secrets import make_key
from campaigns.store.users.users import list_users
from console.app import make_app
from console.context import Parts
from devstack.ports import LOOPBACK, free_port
from tests.console.conftest import WORDS, QuickHasher
from tests.support.actors import TESTER
from tests.support.serving import serving

CHROMIUM = "/usr/bin/chromium"
SIZES = {"phone": {"width": 360, "height": 780}, "desktop": {"width": 1440, "height": 900}}

# How long an expectation may take to come true, in milliseconds. The machine may be busy.
expect.set_options(timeout=60_000)


@pytest.fixture(scope="session")
def playwright():
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def chromium(playwright):
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield browser
    browser.close()


@pytest.fixture
def console_url(database):
    asks = (lambda _: True, lambda: True, lambda **_: BrokerFacts(waiting={"campaigns": 3}))
    app = make_app(Parts(Settings(secret_key=make_key()), database, QuickHasher(), *asks))
    server = make_server(LOOPBACK, free_port(), app, threaded=True)
    with serving(server):
        yield f"http://localhost:{server.server_port}"
        app.extensions["revoada.hub"].is_stopping = lambda: True


@pytest.fixture
def open_page(chromium, console_url, database):
    """Opens a page in a browser of its own, with a user who is not signed in yet.

    A violation of the content policy, an error of a script, and a request to another host fail the test. `expected`: a
    part of an error that the test provokes. `role`: that of the user.
    """
    contexts, faults = [], []

    def open_one(language="en", size="desktop", scheme="light", *, expected=None, role=Role.OPERATOR, **options):
        name = f"maria-{language.lower().replace('_', '-')}"
        chosen = {"role": role, "password": WORDS, "time_zone": "UTC", "language": language}
        if not database.run(list_users, name):
            add_user(database, name, actor=TESTER, **chosen)
        locale = language.replace("_", "-")
        context = chromium.new_context(viewport=SIZES[size], color_scheme=scheme, locale=locale, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: note(message, expected))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: faults.append(request.url) if is_foreign(request.url) else None)

        page.goto(console_url)
        page.fill("#name", name)
        return page

    def note(message, expected):
        if message.type == "error" and (expected is None or expected not in message.text):
            faults.append(message.text)

    def is_foreign(url):
        return not url.startswith((console_url, "data:"))

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="session")
def axe():
    return (Path(__file__).parent / "axe.min.js").read_text()
