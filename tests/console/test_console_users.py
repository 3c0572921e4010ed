"""Users, the own profile, and the password that is asked again before sensitive acts."""

from __future__ import annotations

import re

import pytest

from campaigns.domain.users.rights import Role
from campaigns.secrets import seal_key
from tests.console.conftest import WORDS, read_text
from tests.store.rows import fetch

NEW_WORDS = "outras palavras bem longas"


def make_old(database):
    """Let all users have typed their password more than 10 minutes ago."""
    fetch(database, "UPDATE sessions SET confirmed_at = now() - interval '11 minutes' RETURNING 1")


@pytest.fixture
def admin(console):
    return console.sign_in(Role.ADMIN, name="eva")


@pytest.fixture
def maria(console, database):
    console.sign_in(Role.OPERATOR, name="maria")
    return fetch(database, "SELECT id FROM users WHERE name = 'maria'")[0]


def read_user(database, name="maria"):
    return fetch(database, "SELECT role, disabled_at IS NOT NULL, language, time_zone FROM users WHERE name = %s", name)


def test_an_admin_adds_a_user_who_signs_in(admin, console, database):
    chosen = {"name": " Joao ", "role": "planner", "language": "pt_BR", "time_zone": "America/Sao_Paulo"}
    answer = admin.post("/users/new", chosen | {"password": NEW_WORDS, "again": NEW_WORDS})
    assert "joao is added." in read_text(admin.get(answer.location).text)
    assert read_user(database, "joao") == [("planner", False, "pt_BR", "America/Sao_Paulo")]
    assert console.browser().log_in("joao").status_code == 302
    assert "planner" in read_text(admin.get("/users").text)
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'user.add'") == ["eva"]
    (after,) = fetch(database, "SELECT after::text FROM audit_events WHERE what = 'user.add'")
    assert NEW_WORDS not in after


@pytest.mark.parametrize(
    ("changes", "field", "status"),
    [
        ({"name": ""}, "name", 422),
        ({"name": "Jo ão"}, "name", 422),
        ({"name": "<script>alert(1)</script>"}, "name", 422),
        ({"name": "eva"}, "name", 409),
        ({"password": "short", "again": "short"}, "password", 422),
        ({"password": "senha123456789", "again": "senha123456789"}, "password", 422),
        ({"again": "another"}, "again", 422),
        ({"role": "god"}, "role", 422),
        ({"time_zone": "Mars/Base"}, "time_zone", 422),
        ({"language": "xx"}, "language", 422),
    ],
)
def test_a_wrong_value_is_told_at_its_field_and_the_others_are_kept(admin, database, changes, field, status):
    chosen = {"name": "joao", "role": "planner", "language": "pt_BR", "time_zone": "UTC"}
    chosen |= {"password": NEW_WORDS, "again": NEW_WORDS} | changes
    answer = admin.post("/users/new", chosen)
    assert answer.status_code == status
    assert f'id="{field}-error"' in answer.text
    assert f'href="#{field}"' in answer.text
    assert "<script>alert" not in answer.text
    assert NEW_WORDS not in answer.text
    assert fetch(database, "SELECT name FROM users") == ["eva"]


def test_a_user_gets_another_role_a_password_and_an_end_of_sessions(admin, console, database, maria):
    path = f"/users/{maria}"
    browser = console.browser()
    browser.log_in("maria")
    answer = admin.post(f"{path}/role", {"role": "viewer"})
    assert "The role of maria is changed." in read_text(admin.get(answer.location).text)
    assert browser.get("/").status_code == 302
    browser.log_in("maria")
    admin.post(f"{path}/password", {"password": NEW_WORDS, "again": NEW_WORDS})
    assert browser.get("/").status_code == 302
    browser.log_in("maria")
    admin.post(f"{path}/sessions")
    assert browser.get("/").status_code == 302
    assert read_user(database)[0][0] == "viewer"
    whats = "SELECT what FROM audit_events WHERE actor = 'eva' AND what <> 'user.log_in' ORDER BY id"
    assert fetch(database, whats) == ["user.change", "user.change", "user.end_sessions"]


def test_a_user_is_disabled_and_enabled(admin, console, database, maria):
    path = f"/users/{maria}"
    assert "1 session ends at once." in read_text(admin.get(f"{path}/disable").text)
    admin.post(f"{path}/disable")
    assert read_user(database)[0][1]
    assert console.browser().log_in("maria").status_code == 403
    admin.post(f"{path}/enable")
    assert console.browser().log_in("maria").status_code == 302


@pytest.mark.parametrize(("act", "data"), [("role", {"role": "viewer"}), ("disable", {})])
def test_the_last_admin_stays(admin, database, act, data):
    (user_id,) = fetch(database, "SELECT id FROM users")
    answer = admin.post(f"/users/{user_id}/{act}", data)
    assert answer.status_code == 409
    assert "eva is the last admin who can sign in" in read_text(answer.text)
    assert "Nothing was changed." in answer.text
    assert read_user(database, "eva")[0][:2] == ("admin", False)


def test_an_unknown_user_is_not_found(admin):
    assert admin.get("/users/987").status_code == 404


@pytest.mark.parametrize("role", [Role.VIEWER, Role.PLANNER, Role.OPERATOR])
def test_others_see_no_users(console, role):
    browser = console.sign_in(role)
    assert browser.get("/users").status_code == 403
    assert 'href="/users"' not in browser.get("/").text
    assert 'href="/people"' in browser.get("/").text


def test_each_act_on_users_and_each_erasure_asks_for_the_password_again(console):
    views = console.app.view_functions
    acts = {each for each in views if each.startswith(("ask_user_", "change_user_"))}
    assert len(acts) == 10
    accounts = {"new_account", "add_account", "ask_replace_token", "replace_token"}
    hooks = {"new_hook", "add_hook", "ask_rotation", "rotate_hook"}
    tokens = {"new_token", "add_token"}
    others = {"new_user", "add_user", "erase", "ask_erase", "own_password", "change_own_password"}
    sensitive = {name for name, view in views.items() if getattr(view, "is_sensitive", False)}
    assert sensitive == acts | others | accounts | hooks | tokens


def test_a_sensitive_page_leads_to_the_password_and_back(admin, database, maria):
    make_old(database)
    path = f"/users/{maria}/role"
    answer = admin.get(path)
    assert answer.location == f"/confirm?next={path}"
    page = admin.get(answer.location).text
    assert "Type your password again" in page
    assert "was not carried out" not in page
    wrong = admin.post("/confirm", {"password": "x", "next": path}, form=answer.location)
    assert wrong.status_code == 403
    assert "The password is wrong." in wrong.text
    assert admin.get(path).status_code == 302
    assert admin.post("/confirm", {"password": " ", "next": path}, form=answer.location).status_code == 422
    done = admin.post("/confirm", {"password": WORDS, "next": path}, form=answer.location)
    assert done.location == path
    assert admin.get(path).status_code == 200
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'user.confirm'") == [1]


def test_a_form_that_comes_too_late_changes_nothing_and_says_so(admin, console, database, maria):
    make_old(database)
    path = f"/users/{maria}/role"
    answer = admin.post(path, {"role": "admin"}, form="/")
    assert read_user(database)[0][0] == "operator"
    page = admin.get(answer.location).text
    assert "Your last step was not carried out, and nothing was changed." in page
    assert admin.post("/confirm", {"password": WORDS, "next": path}, form=answer.location).location == path
    key = seal_key(console.settings.secret_key, "person +5511987650021")
    make_old(database)
    assert admin.post(f"/people/{key}/erase", {"sure": "yes", "reason": "x"}, form="/").status_code == 302
    assert fetch(database, "SELECT count(*) FROM forgotten") == [0]


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:x"])
def test_the_password_leads_to_no_other_site(admin, database, wanted):
    make_old(database)
    answer = admin.post("/confirm", {"password": WORDS, "next": wanted})
    assert (answer.status_code, answer.location) == (302, "/")


def test_the_attempts_at_the_password_are_limited(admin, database):
    make_old(database)
    answers = [admin.post("/confirm", {"password": "x"}).status_code for _ in range(6)]
    assert answers == [403] * 5 + [429]


def test_a_person_changes_the_own_language_and_zone(console, database):
    browser = console.sign_in(Role.VIEWER, name="maria")
    browser.post("/settings", {"language": "pt_BR", "time_zone": "America/Manaus"})
    assert read_user(database) == [("viewer", False, "pt_BR", "America/Manaus")]
    assert "Configurações" in browser.get("/settings").text
    wrong = browser.post("/settings", {"language": "pt_BR", "time_zone": "x"})
    assert wrong.status_code == 422
    assert 'id="time_zone-error"' in wrong.text


def test_a_person_changes_the_own_password_which_ends_all_sessions(console, database):
    browser, other = console.sign_in(name="maria"), console.browser()
    other.log_in("maria")
    short = browser.post("/settings/password", {"password": "short", "again": "short"})
    assert short.status_code == 422
    assert "at least 12" in short.text
    answer = browser.post("/settings/password", {"password": NEW_WORDS, "again": NEW_WORDS})
    assert answer.location == "/login?done=password"
    assert "Your password is changed." in browser.get(answer.location).text
    assert other.get("/").status_code == 302


def test_the_other_browsers_are_listed_and_signed_out(console):
    browser, other = console.sign_in(name="maria"), console.browser()
    other.log_in("maria")
    page = read_text(browser.get("/settings").text)
    assert "Browsers in which you are signed in 2" in page
    assert page.count("this browser") == 1
    answer = browser.post("/settings/sessions", form="/settings")
    assert "The other browsers are signed out." in read_text(browser.get(answer.location).text)
    assert other.get("/").status_code == 302


def test_one_other_browser_is_signed_out(console, database):
    browser, other, third = console.sign_in(name="maria"), console.browser(), console.browser()
    stranger = console.sign_in(name="rui")
    other.log_in("maria")
    third.log_in("maria")
    of_third, _of_other = re.findall(r'name="session" value="(\w+)"', browser.get("/settings").text)
    stranger.post("/settings/sessions/end", {"session": of_third}, form="/settings")
    assert third.get("/").status_code == 200
    for _twice in range(2):
        answer = browser.post("/settings/sessions/end", {"session": of_third}, form="/settings")
        assert "One browser is signed out." in read_text(browser.get(answer.location).text)
    assert [each.get("/").status_code for each in (browser, other, third)] == [200, 200, 302]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'user.end_sessions'") == ["maria"]


def test_a_person_lets_the_numbers_stand_still(console, database):
    browser = console.sign_in(Role.VIEWER, name="maria")
    chosen = {"language": "en", "time_zone": "UTC"}
    assert 'type="checkbox" value="y" checked' in browser.get("/settings").text
    browser.post("/settings", chosen)
    assert fetch(database, "SELECT wants_updates FROM users") == [False]
    browser.post("/settings", chosen | {"wants_updates": "y"})
    assert fetch(database, "SELECT wants_updates FROM users") == [True]


@pytest.mark.parametrize(("role", "has_users"), [(Role.VIEWER, False), (Role.ADMIN, True)])
def test_the_settings_lead_to_those_for_all_that_the_role_may_open(console, role, has_users):
    page = console.sign_in(role).get("/settings").text
    assert all(f'href="{path}"' in page for path in ("/settings/prices", "/accounts", "/audit"))
    assert ('href="/users"' in page) is has_users


@pytest.mark.parametrize("zone", ["Portugal", "Japan", "GMT"])
def test_a_zone_that_the_list_lacks_stays_when_the_language_is_changed(console, database, zone):
    browser = console.sign_in(Role.VIEWER, name="rui", time_zone=zone)
    page = browser.get("/settings").text
    chosen = page.split('name="time_zone"')[1].split("</select>")[0].split(" selected")[0].rsplit('value="', 1)[1]
    assert chosen.split('"')[0] == zone
    assert browser.post("/settings", {"language": "pt_BR", "time_zone": zone}).status_code == 302
    assert read_user(database, "rui")[0][2:] == ("pt_BR", zone)
