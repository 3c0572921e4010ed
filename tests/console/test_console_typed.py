"""What a person has typed is kept if the session has ended or was renewed before the form arrived."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import pytest
from flask import Request
from psycopg.types.json import Jsonb

from campaigns.domain.users.rights import Role
from console.rights import find_demand
from tests.console.conftest import WORDS, read_text, read_token
from tests.store.rows import add_account, add_campaign, add_messages, add_template, fetch

BODY = Jsonb([{"type": "BODY", "text": "Oi"}])
# What a browser says of a form that a page of the console sends.
OURS = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
TYPED = "7,5 <b>\"&'"


class _Form(HTMLParser):
    """The last form of a page whose action is `action`; of any action if it is None."""

    def __init__(self, page):
        super().__init__()
        self.action, self.fields = None, []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "form":
            self.action, self.fields = values.get("action"), []
        if tag == "input" and "name" in values:
            self.fields.append((values["name"], values.get("value") or ""))


@pytest.fixture
def campaign_id(database):
    def work(connection):
        template = add_template(connection, name="promo", language="pt_BR", components=BODY, category="UTILITY")
        add_account(connection, name="sales-1")
        return add_campaign(connection, "draft", template_id=template, name="Sale")

    return database.run(work)


@pytest.fixture
def path(campaign_id):
    return f"/campaigns/{campaign_id}/pace"


def fill(browser, path, **typed):
    """The fields of the form of the pace, as a browser sends them."""
    page = browser.get(path).text
    shown = page.split('name="shown" value="')[1].split('"')[0]
    given = {"csrf_token": read_token(page), "shown": shown, "time_zone": "UTC", "weekdays": ["1", "2"]}
    return given | {"accounts": ["sales-1"], "speed_unit": "seconds", "speed": TYPED} | typed


def end_all(database):
    fetch(database, "DELETE FROM sessions RETURNING 1")


def sign_in_again(browser, name="maria"):
    """Sign in in another tab."""
    browser.client.delete_cookie("revoada")
    assert browser.log_in(name).status_code == 302


def send_filled(browser, page):
    """Send the login with the fields of its page, and then the form that the next page has."""
    login = _Form(page)
    assert login.action.startswith("/login")
    data = dict(login.fields) | {"name": "maria", "password": WORDS}
    found = _Form(browser.post_raw(login.action, data, headers=OURS).text)
    data = {name: [value for key, value in found.fields if key == name] for name, _value in found.fields}
    return browser.post_raw(found.action, data, headers=OURS)


def read_settings(database):
    return fetch(database, "SELECT (interval_seconds, weekdays, time_zone)::text FROM campaigns")


def test_what_was_typed_comes_back_after_the_login_and_nothing_is_saved(console, database, path):
    browser = console.sign_in(name="maria")
    before, sent = read_settings(database), fill(browser, path)
    end_all(database)
    answer = browser.post_raw(path, sent, headers=OURS)
    assert answer.status_code == 401
    assert "not carried out" in answer.text and "get it back" in answer.text
    assert TYPED not in answer.text  # it is escaped
    shown = send_filled(browser, answer.text)
    assert shown.status_code == 200
    assert "look at it, and send it again" in read_text(shown.text)
    fields = _Form(shown.text).fields
    assert ("speed", TYPED) in fields
    assert shown.text.count('name="weekdays" value="1" checked') == 1
    assert 'name="weekdays" value="3" checked' not in shown.text
    assert read_settings(database) == before
    saved = browser.post_raw(path, sent | {"csrf_token": read_token(shown.text), "speed": "7.5"})
    assert saved.status_code == 302, saved.text
    assert read_settings(database) != before


def test_a_form_of_an_earlier_login_is_shown_again(console, database, path):
    browser = console.sign_in(name="maria")
    before, sent = read_settings(database), fill(browser, path)
    sign_in_again(browser)
    shown = browser.post_raw(path, sent, headers=OURS)
    assert shown.status_code == 200
    assert ("speed", TYPED) in _Form(shown.text).fields
    assert read_token(shown.text) != sent["csrf_token"]
    assert read_settings(database) == before


def test_a_value_that_somebody_has_saved_meanwhile_is_not_overwritten(console, database, path):
    browser = console.sign_in(name="maria")
    sent = fill(browser, path, speed="7.5")
    sign_in_again(browser)
    shown = browser.post_raw(path, sent, headers=OURS)
    fetch(database, "UPDATE campaigns SET interval_seconds = 3 RETURNING 1")
    sent = dict(_Form(shown.text).fields) | {"accounts": ["sales-1"], "weekdays": ["1"]}
    assert browser.post_raw(path, sent).status_code == 409


@pytest.mark.parametrize("is_ended", [True, False])
def test_another_person_does_not_get_what_was_typed(console, database, path, is_ended):
    browser = console.sign_in(name="maria")
    sent = fill(browser, path)
    console.sign_in(name="joao")
    if is_ended:
        end_all(database)
        login = _Form(browser.post_raw(path, sent, headers=OURS).text)
        data = dict(login.fields) | {"name": "joao", "password": WORDS}
        answer = browser.post_raw(login.action, data, headers=OURS)
        assert (answer.status_code, answer.location) == (302, path)
    else:
        sign_in_again(browser, "joao")
        answer = browser.post_raw(path, sent, headers=OURS)
        assert answer.status_code == 400
    assert "7,5" not in answer.text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 403),
        ({"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}, 400),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 400),
        ({}, 400),  # an old browser: nothing says who has sent the form
    ],
)
def test_no_other_site_fills_a_form_of_the_console(console, path, headers, status):
    """The attacker even has an old token of the person."""
    browser = console.sign_in(name="maria")
    sent = fill(browser, path)
    sign_in_again(browser)
    answer = browser.post_raw(path, sent, headers=headers)
    assert answer.status_code == status
    assert "7,5" not in answer.text


def test_a_token_that_nobody_signed_or_that_is_another_persons_fills_no_form(console, path):
    attacker = console.sign_in(name="eva")
    foreign = fill(attacker, path)
    browser = console.sign_in(name="maria")
    visitor = read_token(console.browser().get("/login").text)
    for token in (foreign["csrf_token"], visitor, "1.x", ""):
        answer = browser.post_raw(path, foreign | {"csrf_token": token}, headers=OURS)
        assert answer.status_code == 400
        assert "7,5" not in answer.text


def test_another_site_cannot_let_a_login_fill_a_form(console, database, path):
    """A login needs the token of the visit, and leads to no other site."""
    browser = console.sign_in(name="maria")
    sent = fill(browser, path)
    end_all(database)
    login = _Form(browser.post_raw(path, sent, headers=OURS).text)
    data = dict(login.fields) | {"name": "maria", "password": WORDS}
    stranger = console.browser()
    assert stranger.post_raw(login.action, data, headers=OURS).status_code == 400
    assert browser.post_raw(login.action, data, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    done = browser.post_raw(login.action, data | {"next": "https://evil.example/"}, headers=OURS)
    assert (done.status_code, done.location) == (302, "/")


@pytest.mark.parametrize("typed", ["", "x", "[1]", '[["a"]]', '{"a": 1}', "[" * 20_000])
def test_fields_that_the_console_did_not_write_are_dropped(console, typed):
    console.sign_in(name="maria")
    data = {"name": "maria", "password": WORDS, "typed": typed, "next": "/campaigns"}
    answer = console.browser().post("/login", data)
    assert (answer.status_code, answer.location) == (302, "/campaigns")


def test_a_wrong_password_keeps_what_was_typed(console, database, path):
    browser = console.sign_in(name="maria")
    sent = fill(browser, path)
    end_all(database)
    login = _Form(browser.post_raw(path, sent, headers=OURS).text)
    refused = browser.post_raw(login.action, dict(login.fields) | {"name": "maria", "password": "x"}, headers=OURS)
    assert refused.status_code == 403
    assert ("speed", TYPED) in _Form(send_filled(browser, refused.text).text).fields


def test_a_form_that_is_too_large_is_not_kept(console, database, path):
    browser = console.sign_in(name="maria")
    sent = fill(browser, path, speed="x" * 25_000)
    end_all(database)
    assert browser.post_raw(path, sent, headers=OURS).location.startswith("/login?")


def test_a_nul_is_refused_also_in_a_form_of_an_earlier_login(console, path):
    browser = console.sign_in(name="maria")
    sent = fill(browser, path, speed="\0")
    sign_in_again(browser)
    assert browser.post_raw(path, sent, headers=OURS).status_code == 400


def list_kept(console):
    """Each page whose form keeps what was typed, with its rule and the view that takes the form."""
    app = console.app
    for rule in app.url_map.iter_rules():
        if getattr(app.view_functions[rule.endpoint], "keeps_typed", False):
            (to,) = (each for each in app.url_map.iter_rules() if each.rule == rule.rule and "POST" in each.methods)
            yield rule, to


def test_each_form_that_is_kept_has_a_page_of_the_same_right(console):
    rules = [*list_kept(console)]
    assert len(rules) >= 10
    for page, to in rules:
        assert find_demand(console.app, page.endpoint) == find_demand(console.app, to.endpoint)
        assert not getattr(console.app.view_functions[page.endpoint], "is_sensitive", False)


def test_no_page_with_a_password_is_kept_and_a_file_only_on_a_page_that_says_so(console, campaign_id):
    browser = console.sign_in(Role.ADMIN)
    for page, _to in list_kept(console):
        path = page.rule.replace("<int(max=9223372036854775807):campaign_id>", str(campaign_id))
        if "<" not in path:
            text = browser.get(path, follow_redirects=True).text
            assert 'type="password"' not in text, path
            assert 'type="file"' not in text or path in WITH_FILES


WITH_FILES = {"/optouts/file"}


def add_file(data, size=10):
    return data | {"file": (io.BytesIO(b"x" * size), "people.csv")}


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_the_fields_beside_a_file_come_back_and_the_file_has_to_be_chosen_again(console, database, size):
    browser, path = console.sign_in(name="maria"), "/optouts/file"
    sent = {"column": TYPED, "sheet": "", "reason": "asked", "csrf_token": read_token(browser.get(path).text)}
    end_all(database)
    answer = browser.post_raw(path, add_file(sent, size), headers=OURS, content_type="multipart/form-data")
    assert answer.status_code == 401
    assert "people.csv" not in answer.text
    shown = send_filled(browser, answer.text).text
    assert "Choose the file again." in read_text(shown)
    assert {("column", TYPED), ("reason", "asked")} <= {*_Form(shown).fields}
    assert "Choose the file again." not in read_text(browser.get(path).text)
    sign_in_again(browser)
    answer = browser.post_raw(path, add_file(sent, size), headers=OURS, content_type="multipart/form-data")
    assert {("column", TYPED), ("reason", "asked")} <= {*_Form(answer.text).fields}
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


@pytest.mark.parametrize("field", ["column", "file"])
def test_a_form_with_a_file_that_is_too_large_is_not_kept(make_console, database, field):
    browser, path = make_console(upload_mb=1).sign_in(name="maria"), "/optouts/file"
    sent = {"reason": "asked", "csrf_token": read_token(browser.get(path).text)}
    end_all(database)
    sent = add_file(sent, 1_100_000) if field == "file" else add_file(sent | {"column": "x" * 600_000})
    answer = browser.post_raw(path, sent, headers=OURS, content_type="multipart/form-data")
    assert answer.location.startswith("/login?")


def test_a_file_of_a_visitor_is_not_kept_in_memory_or_on_the_disk(console, database, monkeypatch):
    monkeypatch.setattr(Request, "_get_file_stream", None)
    browser, path = console.sign_in(name="maria"), "/optouts/file"
    sent = {"reason": "asked", "csrf_token": read_token(browser.get(path).text)}
    end_all(database)
    answer = browser.post_raw(path, add_file(sent), headers=OURS, content_type="multipart/form-data")
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["test", "test/send"])
def test_the_phones_of_a_test_come_back_and_nothing_is_sent(console, database, campaign_id, path):
    database.run(add_messages, campaign_id, 1)
    browser, start = console.sign_in(name="maria"), f"/campaigns/{campaign_id}/start"
    sent = {"phones": "+5511999990009", "known": "0", "csrf_token": read_token(browser.get(start).text)}
    end_all(database)
    shown = send_filled(browser, browser.post_raw(f"/campaigns/{campaign_id}/{path}", sent, headers=OURS).text)
    assert ("phones", "+5511999990009") in _Form(shown.text.partition("Send a test")[0]).fields
    assert fetch(database, "SELECT count(*) FROM campaigns WHERE test_of IS NOT NULL") == [0]
    assert browser.get(f"/campaigns/{campaign_id}/{path}").location == start


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/campaigns/new", {"name": TYPED, "once": "o" * 20}),
        ("/campaigns/{}/text", {"name": TYPED}),
        ("/campaigns/{}/copy", {"name": TYPED, "statuses": "failed"}),
        ("/optouts/new", {"phone": "11 9", "reason": TYPED}),
        ("/people", {"phone": TYPED}),
    ],
)
def test_each_form_comes_back(console, database, campaign_id, path, data):
    path = path.format(campaign_id)
    browser = console.sign_in(name="maria")
    sent = data | {"csrf_token": read_token(browser.get(path).text)}
    end_all(database)
    fields = _Form(send_filled(browser, browser.post_raw(path, sent, headers=OURS).text).text).fields
    assert {each for each in data.items() if each[0] != "statuses"} <= {*fields}
    assert fetch(database, "SELECT count(*) FROM campaigns") == [1]


@pytest.mark.parametrize("page", ["copy", "download"])
def test_ticks_come_back_and_only_these(console, database, campaign_id, page):
    database.run(add_messages, campaign_id, 2)
    database.run(add_messages, campaign_id, 2, "expired")
    browser, path = console.sign_in(name="maria"), f"/campaigns/{campaign_id}/{page}"
    sent = {"name": "x", "statuses": "expired", "csrf_token": read_token(browser.get(path).text)}
    sign_in_again(browser)
    shown = browser.post_raw(path, sent, headers=OURS).text
    assert 'name="statuses" value="expired" checked' in shown
    assert 'name="statuses" value="pending">' in shown


def test_a_session_of_an_earlier_version_stays_valid(console, database, path):
    """Its cookie does not name the user, so its forms are not kept."""
    browser = console.sign_in(name="maria")
    token = browser.client.get_cookie("revoada").value.rpartition(".")[2]
    browser.client.set_cookie("revoada", token)
    sent = fill(browser, path, speed="7.5")
    answer = browser.post_raw(path, sent)
    assert answer.status_code == 302, answer.text
    assert "Set-Cookie" not in answer.headers
    end_all(database)
    assert browser.post_raw(path, sent, headers=OURS).location.startswith("/login?")
