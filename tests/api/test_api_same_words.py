"""Each refusal of a use case has one code and one sentence, by whichever way a person or a program has asked.

The refusals are gathered from the source, and each goes through the handlers of errors of the command line, the API and
the console. test_api_same_refusal.py asks the three of them for the same things.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import string

import click
import pytest
from click.testing import CliRunner

from api.access import PUBLIC, demands
from campaigns.cli.help import Command
from campaigns.cli.output import json_option
from campaigns.cli.root import main
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.rights import Right
from console.rights import demands as demands_right
from tests.console.conftest import read_text
from tests.project.sources import list_statements
from tests.store.rows import fetch

_MAKERS = {"Refusal", "RecipientsError", "TemplateError", "ForgettingError", "conflict"}


def gather(project):
    """A refusal for each code and text in the source, with made-up values."""
    for made in list_statements(project):
        if made.maker in _MAKERS and made.kind in set(Kind) and re.fullmatch("[a-z_]+", made.code):
            for text in made.texts:
                places = {name: spec or "" for _, name, spec, _ in string.Formatter().parse(text) if name}
                values = {name: choose(name, spec) for name, spec in places.items()}
                yield Refusal(made.code, text, kind=Kind(made.kind), **values)


def choose(name, spec):
    if "%" in spec:
        return dt.datetime(2026, 5, 4, 3, 2, tzinfo=dt.UTC)
    return 1234 if spec else f"the {name}"


@pytest.fixture
def wanted():
    """The refusal that all three raise, as its only item."""
    return []


@pytest.fixture
def sides(api, wanted, monkeypatch):
    """By its name, a function that lets one of the three refuse; it returns the code and the words."""

    @click.command(cls=Command)
    @json_option
    def refuse(as_json):
        raise wanted[0]

    def refuse_request():
        raise wanted[0]

    def refuse_page():
        raise wanted[0]

    monkeypatch.setitem(main.commands, "refuse", refuse)
    api.app.add_url_rule("/v1/refuse", "refuse", demands(PUBLIC)(refuse_request))
    api.console.add_url_rule("/refuse", "refuse", demands_right(Right.SEE)(refuse_page))
    stranger, browser = api.stranger(), sign_in(api)

    def ask_command():
        error = json.loads(CliRunner().invoke(main, ["refuse", "--json"]).stderr)["error"]
        return error["code"], error["message"], error["kind"]

    def ask_api():
        answer = stranger.get("/refuse")
        assert answer.json["type"] == f"docs/api.md#{wanted[0].code}"
        assert ("Retry-After" in answer.headers) == (answer.status_code == 503)
        return answer.json["code"], answer.json["detail"], answer.status_code

    def ask_page():
        page = browser.get("/refuse")
        return read_text(page.text), page.status_code

    return ask_command, ask_api, ask_page


def sign_in(api):
    from tests.console.conftest import Browser  # noqa: PLC0415  its name is that of a fixture elsewhere

    api.program(name="ana")
    fetch(api.database, "UPDATE users SET password_hash = '$argon2id$of-a-test' WHERE name = 'ana'")
    browser = Browser(api.console)
    assert browser.log_in("ana").status_code == 302
    return browser


def test_the_three_ways_refuse_with_one_code_and_in_the_same_words(project, sides, wanted):
    ask_command, ask_api, ask_page = sides
    codes = set()
    for refusal in gather(project):
        wanted[:] = [refusal]
        codes.add(refusal.code)
        command, answer, (page, status) = ask_command(), ask_api(), ask_page()
        assert command == (refusal.code, answer[1], refusal.kind.value), refusal.code
        assert answer == (refusal.code, str(refusal), refusal.http_status)
        assert " ".join(str(refusal).split()) in page, refusal.code
        assert status == refusal.http_status
    assert len(codes) > 150
