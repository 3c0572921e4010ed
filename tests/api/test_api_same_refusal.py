"""A command, the API and a page refuse the same thing with the same code and in the same words."""

from __future__ import annotations

import json
import re

import pytest

from campaigns.cli import session
from campaigns.domain.users.rights import Role
from tests.cli.conftest import Revoada
from tests.console.conftest import Browser, read_text
from tests.store.rows import fetch

# A hint is a command, a text in quotation marks, or a link: the words around it are the same.
_HINTS = re.compile(r'`[^`]*`|"[^"]*"')


@pytest.fixture
def revoada(database_url, settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    environment = {"DATABASE_URL": database_url, "REVOADA_SECRET_KEY": settings.secret_key, "REDIS_URL": None}
    command = Revoada(environment | {"BROKER_URL": None, "GRAPH_API_URL": settings.graph_api_url})
    monkeypatch.setattr(session, "enqueue_campaigns", command.enqueue)
    return command


@pytest.fixture
def browser(api, database):
    """A browser in which an admin is signed in."""
    api.program(Role.ADMIN, name="ana")
    fetch(database, "UPDATE users SET password_hash = '$argon2id$of-a-test' WHERE name = 'ana'")
    browser = Browser(api.console)
    assert browser.log_in("ana").status_code == 302
    return browser


@pytest.fixture
def sides(revoada, program, browser):
    """The three ways to ask for the same thing."""
    return revoada, program, browser


def split(text):
    """The words of a refusal between its hints."""
    return [part for part in (each.strip(" .;:") for each in _HINTS.split(text)) if part]


def refuse_command(revoada, *words):
    result = revoada(*words, "--json")
    assert result.exit_code == 1, result.output
    error = json.loads(result.stderr)["error"]
    return error["code"], split(error["message"])


def refuse_api(program, method, path, *arguments, **options):
    answer = program(method, path, *arguments, **options)
    return answer.json["code"], split(answer.json["detail"])


def test_a_campaign_that_is_not_there(revoada, program, browser):
    refused = refuse_command(revoada, "campaign", "show", "7")
    assert refused == refuse_api(program, "GET", "/campaigns/7")
    page = read_text(browser.get("/campaigns/7").text)
    assert all(part in page for part in refused[1])


@pytest.mark.parametrize(
    ("status", "command"),
    [("draft", "pause"), ("draft", "resume"), ("pending", "resume"), ("cancelled", "pause"), ("cancelled", "cancel")],
)
def test_a_command_that_the_status_does_not_allow(sides, make_draft, status, command):
    (revoada, program, browser), campaign_id = sides, make_draft()
    path = f"/campaigns/{campaign_id}"
    if status == "pending":
        program.ok("POST", f"{path}:start")
    if status == "cancelled":
        program.ok("POST", f"{path}:cancel")
    more = ("--yes",) if command in {"cancel", "resume"} else ()
    refused = refuse_command(revoada, "campaign", command, str(campaign_id), *more)
    assert refused[0] == f"cannot_{command}"
    assert refused == refuse_api(program, "POST", f"{path}:{command}")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', browser.get(f"{path}/{command}").text)
    data = {"csrf_token": token[1] if token else "", "name": "Black Friday"}
    page = read_text(browser.post_raw(f"{path}/{command}", data).text)
    assert refused[1][0] in page


def test_an_approval_of_an_ended_campaign_is_not_asked_for(sides, make_draft):
    (revoada, program, browser), campaign_id = sides, make_draft()
    program.ok("POST", f"/campaigns/{campaign_id}:cancel")
    refused = refuse_command(revoada, "campaign", "ask-approval", str(campaign_id))
    assert refused[0] == "cannot_ask_approval"
    assert refused == refuse_api(program, "POST", f"/campaigns/{campaign_id}/approval-request")
    assert refused[1][0] in read_text(browser.post(f"/campaigns/{campaign_id}/ask-approval").text)


def test_a_draft_that_was_started_is_not_discarded(revoada, program, browser, make_draft):
    campaign_id = make_draft()
    program.ok("POST", f"/campaigns/{campaign_id}:start")
    refused = refuse_command(revoada, "campaign", "discard", str(campaign_id), "--yes")
    assert refused[0] == "discard_after_start"
    assert refused == refuse_api(program, "DELETE", f"/campaigns/{campaign_id}", headers={"If-Match": "*"})
    assert refused[1][0] in read_text(browser.get(f"/campaigns/{campaign_id}/discard").text)


@pytest.mark.parametrize(
    ("options", "member", "code"),
    [
        (("--window", "9-18"), {"window": "9-18"}, "usage"),
        (("--schedule-at", "2020-01-01T00:00Z"), {"scheduled_at": "2020-01-01T00:00:00Z"}, "schedule_passed"),
        (("--pause-after", "3"), {"pause_after": 3}, "pause_incomplete"),
        (("--max-per-person", "1"), {"max_per_person": 1}, "cap_incomplete"),
    ],
)
def test_a_setting_that_is_not_possible(sides, make_draft, options, member, code):
    revoada, program, _browser = sides
    path = f"/campaigns/{make_draft()}"
    result = revoada("campaign", "set", "1", *options, "--json")
    error = json.loads(result.stderr)["error"]
    refused = program.patch(path, member, match="*").json
    assert error["code"] == code
    assert refused["code"] in {code, "window_invalid"}
    if code == "pause_incomplete":  # the other texts name an option
        assert error["message"] == refused["detail"]


ACCOUNT = {"name": "shop", "phone_number_id": "1077", "waba_id": "22", "token": "EAAG-secret-token"}
DRAFT = {"name": "Natal", "template": "promo:pt_BR"}


def add_account(**changes):
    """The command, the request and the form that add the same account."""
    values = ACCOUNT | changes
    words = [f"--phone-number-id={values['phone_number_id']}", f"--waba-id={values['waba_id']}", "--token-env=TOKEN"]
    form = values | {"messages_per_second": "80", "failure_limit": "5", "portfolio": "", "unchecked": "y"}
    command = ("account", "add", values["name"], *words, "--no-check")
    return command, ("POST", "/accounts", values | {"unchecked": True}), ("/accounts/new", form)


# By the code of a refusal: the command, the request, and the page with its form (None: it is shown by GET).
SAME: dict[str, tuple[tuple[str, ...], tuple, tuple[str, dict | None] | None]] = {
    "account_exists": add_account(name="sales"),
    "phone_number_id_taken": add_account(phone_number_id="1065"),
    "token_invalid": add_account(token="EAAG two words"),
    "approval_not_needed": (
        ("campaign", "ask-approval", "1"),
        ("POST", "/campaigns/1/approval-request"),
        ("/campaigns/1/ask-approval", {}),
    ),
    "account_missing": (("account", "activate", "99"), ("POST", "/accounts/99:activate"), ("/accounts/99", None)),
    "portfolio_missing": (
        ("account", "set", "sales", "--portfolio", "99"),
        ("PATCH", "/accounts/1", {"portfolio": "99"}),
        None,
    ),
    "portfolio_exists": (
        ("portfolio", "add", "acme", "--daily-limit", "9"),
        ("POST", "/portfolios", {"name": "acme", "daily_limit": 9}),
        None,
    ),
    "template_missing": (
        ("campaign", "create", "Natal", "--template=nothing:en", "--account=sales", "--recipients=people.csv"),
        ("POST", "/campaigns", DRAFT | {"template": "nothing:en"}),
        None,
    ),
    "cannot_retry": (
        ("campaign", "retry", "1", "--class", "server", "--yes"),
        ("POST", "/campaigns/1/retries", {"classes": ["server"]}),
        ("/campaigns/1/retry", None),
    ),
    "target_url_invalid": (
        ("hook", "add", "https://user:word@example.com/"),
        ("POST", "/hooks", {"url": "https://user:word@example.com/"}),
        ("/hooks/new", {"url": "https://user:word@example.com/", "types": ["export.ready"]}),
    ),
    "target_url_not_https": (
        ("hook", "add", "http://example.com/"),
        ("POST", "/hooks", {"url": "http://example.com/"}),
        ("/hooks/new", {"url": "http://example.com/", "types": ["export.ready"]}),
    ),
    "hook_missing": (
        ("hook", "set", "99", "--type", "export.ready"),
        ("PATCH", "/hooks/99", {"types": ["export.ready"]}),
        ("/hooks/99/types", {"types": ["export.ready"]}),
    ),
    "hook_not_enabled": (
        ("hook", "replay", "1", "--from", "1"),
        ("POST", "/hooks/1:replay", {"from_event": "1"}),
        ("/hooks/1/events/1/replay", {}),
    ),
    "campaign_missing": (("campaign", "errors", "99"), ("GET", "/campaigns/99/errors"), ("/campaigns/99/errors", None)),
}


@pytest.mark.parametrize("code", SAME)
def test_the_same_thing_is_refused_in_the_same_words(sides, make_draft, code):
    (revoada, program, browser), (command, request, page) = sides, SAME[code]
    make_draft()
    program.ok("POST", "/portfolios", {"name": "acme", "daily_limit": 9})
    program.ok("POST", "/hooks", {"url": "https://crm.example.com/"})
    program.ok("POST", "/hooks/1:disable")
    revoada.environment["TOKEN"] = request[2].get("token", "") if len(request) > 2 else ""
    refused = refuse_command(revoada, *command)
    assert refused == refuse_api(program, *request)
    assert refused[0] == code
    if page is not None:
        path, form = page
        shown = read_text((browser.get(path) if form is None else browser.post(path, form)).text)
        assert all(part in shown for part in refused[1]), shown
