"""Users whom a proxy signs in, and the address of the client behind a proxy."""

from __future__ import annotations

import ipaddress

import pytest

from campaigns.config import SettingsError
from campaigns.domain.users.rights import Role
from campaigns.management.users.users import UserChanges, add_user, change_user
from campaigns.secrets import make_key
from console.wiring import check_settings
from tests.console.conftest import LOCAL, WORDS, read_text, read_token
from tests.store.rows import add_campaign, fetch
from tests.support.actors import TESTER

PROXY = "10.0.0.5"
STRANGER = "203.0.113.9"
HEADER = "X-Forwarded-User"


@pytest.fixture
def console(make_console, database):
    add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=None, time_zone="UTC")
    return make_console(user_header=HEADER, trusted_proxies=(ipaddress.ip_network("10.0.0.0/24"),))


@pytest.fixture
def browse(console):
    """A browser whose requests come from `peer`, with these headers."""

    def make(peer=PROXY, **headers):
        browser = console.browser()
        browser.headers = LOCAL | {name.replace("_", "-"): value for name, value in headers.items()}
        browser.client.environ_base["REMOTE_ADDR"] = peer
        return browser

    return make


def test_a_trusted_proxy_signs_a_user_in_without_a_session(browse, database):
    browser = browse(X_Forwarded_User="Maria")
    page = browser.get("/")
    assert page.status_code == 200
    assert "maria" in page.text
    assert browser.get("/login").location == "/"
    assert fetch(database, "SELECT count(*) FROM sessions") == [0]


@pytest.mark.parametrize("peer", [STRANGER, "10.0.1.5", "::1", "", "::ffff:10.0.1.5"])
def test_a_header_from_a_stranger_is_ignored(browse, peer):
    browser = browse(peer, X_Forwarded_User="maria", X_Forwarded_For=PROXY)
    assert browser.get("/").location == "/login?next=/"


def test_without_the_setting_the_header_is_ignored(make_console, database):
    add_user(database, "maria", actor=TESTER, role=Role.ADMIN, password=None, time_zone="UTC")
    browser = make_console(trusted_proxies=(ipaddress.ip_network(PROXY),)).browser()
    browser.client.environ_base["REMOTE_ADDR"] = PROXY
    assert browser.get("/", headers={HEADER: "maria"}).location == "/login?next=/"


@pytest.mark.parametrize("name", ["nobody", "gone"])
def test_a_person_without_access_is_told_so(browse, database, name):
    add_user(database, "gone", actor=TESTER, role=Role.VIEWER, password=None, time_zone="UTC")
    change_user(database, "gone", UserChanges(is_enabled=False), actor=TESTER)
    for path in ("/", "/campaigns", "/login"):
        answer = browse(X_Forwarded_User=name).get(path)
        assert answer.status_code == 403
        assert f"{name} has no access here. Ask an admin" in read_text(answer.text)


def test_a_header_that_comes_twice_signs_nobody_in(browse):
    answer = browse(X_Forwarded_User="maria,eva").get("/")
    assert answer.status_code == 422
    assert "Sign out" not in answer.text


def test_a_change_still_needs_the_token_of_the_browser(browse, database):
    campaign_id = database.run(add_campaign, "running")
    path = f"/campaigns/{campaign_id}/pause"
    browser, other = browse(X_Forwarded_User="maria"), browse(X_Forwarded_User="maria")
    foreign = read_token(other.get(path).text)
    for data in ({}, {"csrf_token": foreign}):
        assert browser.post_raw(path, data).status_code == 400
    assert browser.post(path, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert fetch(database, "SELECT status::text FROM campaigns") == ["running"]
    assert browser.post(path).status_code == 302
    assert fetch(database, "SELECT status::text FROM campaigns") == ["paused"]
    assert fetch(database, "SELECT actor, host(network) FROM audit_events WHERE what = 'campaign.pause'") == [
        ("maria", PROXY)
    ]


def test_signing_out_names_the_proxy(browse):
    browser = browse(X_Forwarded_User="maria")
    answer = browser.post("/logout", form="/")
    assert answer.status_code == 200
    assert "A proxy in front of Revoada signs you in" in answer.text
    assert browser.get("/").status_code == 200


def test_such_a_user_cannot_get_a_password_that_goes_around_the_proxy(browse, database):
    browser = browse(X_Forwarded_User="maria")
    page = browser.get("/settings").text
    assert "A proxy signs you in" in page
    assert "/settings/password" not in page
    assert browser.get("/settings/password").status_code == 403
    words = {"password": "outras palavras bem longas", "again": "outras palavras bem longas"}
    for path in ("/settings/password", "/settings/sessions"):
        answer = browser.post(path, words, form="/settings")
        assert answer.status_code == 403
        assert "A proxy signs you in" in answer.text
    assert fetch(database, "SELECT password_hash FROM users") == [None]


def test_a_stream_of_such_a_user_goes_on_until_the_user_is_disabled(browse, database, monkeypatch):
    monkeypatch.setattr("console.pages.streams.SESSION_SECONDS", 0.0)
    campaign_id = database.run(add_campaign, "running")
    answer = browse(X_Forwarded_User="maria").get(f"/live/row?ids={campaign_id}", buffered=False)
    events = answer.iter_encoded()
    assert next(events) == b":\n\n"
    assert b"signed-out" not in next(events)
    change_user(database, "maria", UserChanges(is_enabled=False), actor=TESTER)
    assert b"event: signed-out" in next(events)
    answer.close()


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        (PROXY, "198.51.100.7", "198.51.100.7"),
        (PROXY, "192.0.2.1, 198.51.100.7", "198.51.100.7"),  # the first one was typed by the client
        (PROXY, "198.51.100.7, 10.0.0.9", "198.51.100.7"),
        (PROXY, "", PROXY),
        (STRANGER, "198.51.100.7", STRANGER),
        (STRANGER, PROXY, STRANGER),
    ],
)
def test_the_audit_and_the_limits_have_the_address_of_the_client(browse, database, peer, forwarded, client):
    browser = browse(peer, X_Forwarded_For=forwarded)
    browser.log_in("nobody", "wrong")
    assert fetch(database, "SELECT host(network) FROM audit_events WHERE what = 'user.log_in_failed'") == [client]
    assert fetch(database, "SELECT host(network) FROM login_attempts") == [client]


def test_strangers_cannot_pass_the_limit_with_forwarded_addresses(browse):
    answers = []
    for number in range(31):
        browser = browse(STRANGER, X_Forwarded_For=f"198.51.100.{number}")
        answers.append(browser.log_in(f"user{number}", WORDS).status_code)
    assert answers == [403] * 30 + [429]


def test_a_header_without_trusted_proxies_is_a_wrong_setting(monkeypatch):
    known = {"DATABASE_URL": "postgresql://x", "REDIS_URL": "redis://x", "REVOADA_SECRET_KEY": make_key()}
    for name, value in (known | {"REVOADA_USER_HEADER": HEADER}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("console.wiring.refuse_pooler", lambda _url: None)
    monkeypatch.delenv("REVOADA_TRUSTED_PROXIES", raising=False)
    with pytest.raises(SettingsError, match="REVOADA_TRUSTED_PROXIES is not set"):
        check_settings()
    monkeypatch.setenv("REVOADA_TRUSTED_PROXIES", PROXY)
    assert check_settings().user_header == HEADER
