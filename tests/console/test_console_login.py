"""Who gets in, who does not, and when a session ends."""

from __future__ import annotations

import io
import re
from urllib.parse import unquote

import pytest

from campaigns.domain.users.rights import Role
from campaigns.management.users.sessions import end_sessions
from campaigns.management.users.users import UserChanges, change_user
from tests.console.conftest import WORDS, read_text, read_token
from tests.store.rows import add_campaign, fetch
from tests.support.actors import TESTER


def cookies(answer):
    return {each.partition("=")[0]: each for each in answer.headers.getlist("Set-Cookie")}


def test_a_visitor_is_led_to_the_login_and_then_to_the_wanted_page(console):
    browser = console.browser()
    answer = browser.get("/campaigns?status=running")
    assert answer.status_code == 302
    assert answer.location == "/login?next=/campaigns?status%3Drunning"
    assert "Sign in" in browser.get(answer.location).text
    console.sign_in(name="maria")
    done = browser.post("/login", {"name": "maria", "password": WORDS, "next": "/campaigns?status=running"})
    assert (done.status_code, done.location) == (302, "/campaigns?status=running")
    assert browser.get("/campaigns").status_code == 200


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:alert(1)", "/\n/evil.example"]
)
def test_the_login_leads_to_no_other_site(console, wanted):
    console.sign_in(name="maria")
    done = console.browser().post("/login", {"name": "maria", "password": WORDS, "next": wanted})
    assert (done.status_code, done.location) == (302, "/")


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(console):
    console.sign_in(name="maria")
    known = console.browser().log_in("maria", "wrong")
    unknown = console.browser().log_in("nobody", "wrong")
    assert known.status_code == unknown.status_code == 403
    assert "The name or the password is wrong." in known.text
    assert read_text(known.text) == read_text(unknown.text).replace("nobody", "maria")
    assert 'value="maria"' in known.text
    assert "wrong" not in [*cookies(known).values()]


def test_an_empty_field_is_named_beside_the_field(console):
    page = console.browser().post("/login", {"name": "maria", "password": ""})
    assert page.status_code == 422
    assert 'aria-describedby="password-error"' in page.text
    assert page.text.count("Enter your password.") == 2  # in the summary, and at the field
    assert 'value="maria"' in page.text


def test_too_many_attempts_are_told_how_long_to_wait(console):
    answers = [console.browser().log_in("maria", "wrong") for _ in range(6)]
    assert [each.status_code for each in answers] == [403] * 5 + [429]
    assert "Try again in" in answers[-1].text


def test_a_disabled_user_cannot_sign_in(console, database):
    browser = console.sign_in(name="maria")
    console.sign_in(Role.ADMIN)
    change_user(database, "maria", UserChanges(is_enabled=False), actor=TESTER)
    assert browser.get("/").status_code == 302
    assert console.browser().log_in("maria").status_code == 403


def test_a_login_gives_a_new_session_and_a_logout_ends_it(console, database):
    browser = console.sign_in(name="maria")
    first = browser.client.get_cookie("revoada").value
    assert fetch(database, "SELECT count(*) FROM sessions") == [1]
    assert browser.post("/logout", form="/").location == "/login"
    assert browser.client.get_cookie("revoada") is None
    assert browser.get("/").status_code == 302
    assert fetch(database, "SELECT count(*) FROM sessions") == [0]
    browser.log_in("maria")
    assert browser.client.get_cookie("revoada").value != first


def test_a_cookie_from_somebody_else_is_not_taken_over_at_login(console):
    """Session fixation: the login makes a new token, whatever cookie the browser brought."""
    console.sign_in(name="maria")
    browser = console.browser()
    browser.client.set_cookie("revoada", "known-to-the-attacker", domain="localhost")
    browser.log_in("maria")
    assert browser.client.get_cookie("revoada").value != "known-to-the-attacker"


def test_an_ended_session_leads_to_the_login(console, database):
    browser = console.sign_in(name="maria")
    (user_id,) = fetch(database, "SELECT id FROM users")
    end_sessions(database, user_id, actor=TESTER)
    assert browser.get("/").location == "/login?next=/&ended=page"
    assert browser.get("/numbers/row?ids=1", headers={"HX-Request": "true"}).status_code == 401


def test_the_cookies_are_those_of_the_address(console, make_console):
    console.sign_in(name="maria")
    plain = cookies(console.browser().log_in("maria"))
    assert plain["revoada"].endswith("HttpOnly; Path=/; SameSite=Lax")
    for url, name, path in (
        ("https://revoada.example", "__Host-revoada", "/"),
        ("https://example.org/revoada", "__Secure-revoada", "/revoada/"),
    ):
        host = url.split("/")[2]
        browser = make_console(public_url=url).browser()
        browser.headers, browser.base_url = {"Host": host}, f"https://{host}"
        prefix = path.rstrip("/")
        answer = browser.post(f"{prefix}/login", {"name": "maria", "password": WORDS})
        assert answer.status_code == 302, answer.text
        assert cookies(answer)[name].endswith(f"Secure; HttpOnly; Path={path}; SameSite=Lax")


def test_the_login_is_in_the_language_of_the_browser_until_a_person_chooses(console):
    browser = console.browser()
    assert 'lang="pt-BR"' in browser.get("/login", headers={"Accept-Language": "pt-BR,pt;q=0.9"}).text
    assert 'lang="pt-BR"' in browser.get("/login", headers={"Accept-Language": "pt"}).text
    assert 'lang="en"' in browser.get("/login", headers={"Accept-Language": "fr"}).text
    assert 'lang="pt-BR"' in browser.get("/login?language=pt_BR").text
    assert 'lang="en"' in browser.get("/login?language=../../etc").text


def test_the_login_keeps_the_language_of_the_person_who_has_signed_out(console):
    browser = console.sign_in(language="pt_BR")
    browser.headers["Accept-Language"] = "en"
    assert 'lang="pt-BR"' in browser.get("/now").text
    browser.post("/logout", form="/now")
    assert 'lang="pt-BR"' in browser.get("/login").text
    assert 'lang="en"' in browser.get("/login?language=en").text
    assert 'lang="en"' in console.browser().get("/login", headers={"Cookie": "revoada-language=xx"}).text


def test_a_person_whose_session_has_ended_signs_out_without_a_complaint(console, database):
    browser = console.sign_in()
    form = {"csrf_token": read_token(browser.get("/").text)}
    fetch(database, "DELETE FROM sessions RETURNING 1")
    assert browser.post_raw("/logout", form).location == "/login"


def test_a_file_without_a_session_is_read_to_its_end(console, database):
    """A browser shows no answer before it has sent its whole request."""
    campaign_id = database.run(add_campaign, "draft")
    body = io.BytesIO(b"x" * 300_000)
    answer = console.browser().post_raw(f"/campaigns/{campaign_id}/list", input_stream=body, content_length=300_000)
    assert answer.status_code == 302
    assert body.read() == b""


def test_a_session_that_has_ended_is_said_and_leads_back(console, database):
    browser = console.sign_in()
    fetch(database, "DELETE FROM sessions RETURNING 1")
    answer = browser.get("/campaigns?text=Sale")
    assert "ended=page" in answer.location and "next=/campaigns" in unquote(answer.location)
    page = browser.get(answer.location).text
    assert "Your session has ended." in page and "was not saved" not in page
    assert "Your session has ended." not in console.browser().get("/login").text


def test_the_language_that_a_person_chooses_at_the_login_becomes_that_of_the_profile(console, database):
    browser = console.sign_in(name="ana")
    browser.post("/logout", form="/now")
    english = console.browser()
    english.headers["Accept-Language"] = "pt-BR"
    english.log_in("ana")
    assert 'lang="en"' in english.get("/now").text, "the language of the browser is no choice"
    address = re.search(r'action="(/login[^"]*)"', browser.get("/login?language=pt_BR").text)[1]
    browser.post(address, {"name": "ana", "password": "wrong"}, form="/login?language=pt_BR")
    assert fetch(database, "SELECT language FROM users") == ["en"]
    browser.post(address, {"name": "ana", "password": WORDS}, form="/login?language=pt_BR")
    assert 'lang="pt-BR"' in browser.get("/now").text
    acts = fetch(
        database,
        "SELECT actor, before ->> 'language', after ->> 'language' FROM audit_events WHERE what = 'user.change'",
    )
    assert acts == [("ana", "en", "pt_BR")]
