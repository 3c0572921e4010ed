"""What people change about accounts, with the refusals of the commands, and the health that they read."""

from __future__ import annotations

import re

import pytest

from campaigns.domain.account import DEACTIVATED_BY_A_PERSON
from campaigns.domain.users.rights import Role
from campaigns.secrets import decrypt_token, encrypt_token
from tests.console.conftest import read_text
from tests.store.rows import add_account, add_campaign, add_messages, fetch

TOKEN, NEW_TOKEN = "EAAG-known", "EAAG-new"


@pytest.fixture
def console(make_console, far):
    """A console with the simulator in place of Meta, which knows two tokens."""
    far.script(tokens=[TOKEN, NEW_TOKEN])
    return make_console(graph_api_url=f"{far.url}/v24.0", health_timeout_seconds=30.0)


@pytest.fixture
def admin(console):
    return console.sign_in(Role.ADMIN, name="eva")


@pytest.fixture
def account_id(console, database):
    token = encrypt_token(console.settings.secret_key, TOKEN)
    return database.run(add_account, name="sales", phone_number_id="1065", waba_id="22", token=token)


def read_account(database, columns="name, messages_per_second"):
    return fetch(database, f"SELECT {columns} FROM accounts ORDER BY id")[0]


def read_token_of(console, account_id):
    (token,) = fetch(console.database, "SELECT token FROM accounts WHERE id = %s", account_id)
    return decrypt_token(console.settings.secret_key, bytes(token))


def follow(browser, answer):
    assert answer.status_code == 302, read_text(answer.text)
    return read_text(browser.get(answer.location).text)


def read_audit(database):
    return fetch(
        database, "SELECT what FROM audit_events WHERE starts_with(what, 'account.') AND actor = 'eva' ORDER BY id"
    )


def fill(**changes):
    number = {"name": "support", "phone_number_id": "1066", "waba_id": "22", "token": TOKEN}
    return number | {"messages_per_second": "80", "failure_limit": "5", "portfolio": ""} | changes


def fill_change(browser, account_id, **changes):
    path = f"/accounts/{account_id}/change"
    page = browser.get(path).text
    sent = dict(re.findall(r'<input id="(\w+)" name="\w+" type="text"[^>]*value="([^"]*)"', page))
    sent["seen"] = re.search(r'name="seen"[^>]*value="(\w+)"', page)[1]
    return browser.post(path, sent | {"portfolio": ""} | changes)


def test_activate_says_how_many_campaigns_go_on_and_enqueues_them(admin, console, database, account_id):
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = %s RETURNING 1", DEACTIVATED_BY_A_PERSON)
    waiting = database.run(add_campaign, "running", accounts=[account_id], waiting_reason="no_active_account")
    database.run(add_campaign, "paused", accounts=[account_id])
    path = f"/accounts/{account_id}/activate"
    assert "1 campaign that waits goes on." in read_text(admin.get(path).text)
    assert "and 1 campaign that waited goes on." in follow(admin, admin.post(path))
    assert console.enqueued == [waiting]
    assert read_account(database, "active") is True
    assert read_audit(database) == ["account.activate"]


def test_deactivate_says_by_which_accounts_messages_go_or_that_they_wait(admin, database, account_id):
    other = database.run(add_account, name="sales-2")
    both = database.run(add_campaign, "running", accounts=[account_id, other], name="Both")
    alone = database.run(add_campaign, "running", accounts=[account_id], name="Alone")
    database.run(add_messages, both, 4)
    database.run(add_messages, alone, 1)
    path = f"/accounts/{account_id}/deactivate"
    question = read_text(admin.get(path).text)
    assert "Both: 4 messages go by sales-2." in question
    assert "Alone: 1 message waits" in question
    assert "The account is inactive." in follow(admin, admin.post(path))
    assert read_account(database, "active, inactive_reason") == (False, DEACTIVATED_BY_A_PERSON)
    assert "It is inactive already." in admin.get(path).text
    admin.post(path)  # a double click
    assert read_audit(database) == ["account.deactivate"]


def test_a_change_is_carried_out_and_leaves_the_rest_as_it_is(admin, console, database, account_id):
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('acme', 2000) RETURNING 1")
    answer = fill_change(admin, account_id, name=" shop ", messages_per_second="250", portfolio="acme")
    assert "The account is changed." in follow(admin, answer)
    assert read_account(database) == ("shop", 250)
    assert read_account(database, "portfolio_id IS NOT NULL") is True
    assert read_token_of(console, account_id) == TOKEN
    assert read_audit(database) == ["account.move", "account.change"]


@pytest.mark.parametrize(
    ("field", "value", "status", "said"),
    [
        ("name", "", 422, "Enter a name for the account."),
        ("name", "other", 409, "There is an account other already."),
        ("phone_number_id", "+55 11", 422, "This id has digits only."),
        ("phone_number_id", "777", 409, "Another account has the phone number id 777 already."),
        ("waba_id", "2" * 33, 422, "is not a number of up to 32 digits"),
        ("messages_per_second", "1.800", 422, "Type a whole number"),
        ("messages_per_second", "2000000", 422, "must be between 1 and"),
        ("failure_limit", "0", 422, "must be between 1 and"),
        ("portfolio", "gone", 404, "There is no portfolio gone"),
    ],
)
def test_a_wrong_value_is_told_at_its_field(admin, database, account_id, *, field, value, status, said):
    database.run(add_account, name="other", phone_number_id="777")
    answer = fill_change(admin, account_id, **{field: value})
    assert answer.status_code == status
    error = re.search(rf'id="{field}-error"[^>]*>(.*?)</small>', answer.text)[1]
    assert said in read_text(error)
    assert read_account(database) == ("sales", 80)


def test_a_form_without_a_change_and_a_form_of_old_values_change_nothing(admin, database, account_id):
    assert "You have changed no value." in fill_change(admin, account_id).text
    sent = {"name": "sales", "phone_number_id": "1065", "waba_id": "22", "failure_limit": "5", "portfolio": ""}
    answer = admin.post(f"/accounts/{account_id}/change", sent | {"messages_per_second": "7", "seen": "old"})
    assert answer.status_code == 409
    assert "Somebody has changed this account" in answer.text
    assert read_account(database) == ("sales", 80)


def test_a_number_that_the_token_may_not_use_is_refused_and_may_be_stored_all_the_same(
    admin, database, account_id, far
):
    far.script(accounts={"77": {"health": "error:100"}})
    assert 'name="unchecked"' not in admin.get(f"/accounts/{account_id}/change").text
    answer = fill_change(admin, account_id, phone_number_id="77")
    assert answer.status_code == 422
    assert "Meta refuses phone number 77 with this token" in read_text(answer.text)
    assert 'name="unchecked"' in answer.text
    assert read_account(database, "phone_number_id") == "1065"
    assert "Meta was not asked" in follow(admin, fill_change(admin, account_id, phone_number_id="77", unchecked="y"))
    assert read_account(database, "phone_number_id") == "77"


def test_a_token_is_replaced_and_never_shown(admin, console, database, account_id):
    path = f"/accounts/{account_id}/token"
    answer = admin.post(path, {"token": "EAAG-expired"})
    assert answer.status_code == 422
    assert "Cannot parse access token" in read_text(answer.text)
    assert "EAAG-expired" not in answer.text
    assert read_token_of(console, account_id) == TOKEN
    assert "The token is replaced." in follow(admin, admin.post(path, {"token": f" {NEW_TOKEN} "}))
    assert read_token_of(console, account_id) == NEW_TOKEN
    assert NEW_TOKEN not in admin.get(f"/accounts/{account_id}").text + admin.get(path).text + admin.get("/audit").text
    (after,) = fetch(database, "SELECT after::text FROM audit_events WHERE what = 'account.change'")
    assert "EAAG" not in after


def test_a_number_is_connected_after_meta_has_taken_its_token(admin, console, database):
    answer = admin.post("/accounts/new", fill())
    assert "The account is added and active." in follow(admin, answer)
    assert read_account(database, "name, phone_number_id, waba_id, active") == ("support", "1066", "22", True)
    assert read_audit(database) == ["account.add"]
    assert read_token_of(console, fetch(database, "SELECT id FROM accounts")[0]) == TOKEN


def test_a_number_whose_token_meta_refuses_is_not_stored(admin, database):
    answer = admin.post("/accounts/new", fill(token="EAAG-expired"))
    assert answer.status_code == 422
    assert 'href="#token"' in answer.text
    assert 'value="support"' in answer.text
    assert "EAAG-expired" not in answer.text
    assert fetch(database, "SELECT id FROM accounts") == []
    follow(admin, admin.post("/accounts/new", fill(token="EAAG-expired", unchecked="y")))
    assert len(fetch(database, "SELECT id FROM accounts")) == 1


def test_while_meta_does_not_answer_a_number_is_stored_with_a_warning(admin, database, far):
    far.script(accounts={"1066": {"health": "error:2"}})
    assert "Meta was not asked, or did not answer" in follow(admin, admin.post("/accounts/new", fill()))


def test_an_operator_reads_the_health_now(console, database, account_id, far):
    far.script(accounts={"1065": {"health": "YELLOW"}})
    browser, path = console.sign_in(Role.OPERATOR), f"/accounts/{account_id}"
    page = follow(browser, browser.post(f"{path}/check", form=path))
    assert "The health below is the one that Meta has just reported." in page
    assert "medium quality" in page
    far.script(accounts={"1065": {"health": "error:2"}})
    answer = browser.post(f"{path}/check", form=path)
    assert answer.status_code == 503
    assert "The health could not be read:" in answer.text
    assert read_account(database, "active") is True


def test_others_see_the_actions_disabled_with_the_reason(console, account_id):
    page = console.sign_in(Role.VIEWER).get(f"/accounts/{account_id}")
    assert page.text.count('<button type="button" disabled') == 4
    assert "These roles do: admin." in page.text
    assert "These roles do: operator, admin." in page.text


def test_texts_of_people_are_escaped(admin, database, account_id):
    fetch(database, "UPDATE accounts SET name = '<b>x</b>' RETURNING 1")
    for path in ("/accounts", *(f"/accounts/{account_id}{each}" for each in ("", "/change", "/token", "/deactivate"))):
        assert "<b>x</b>" not in admin.get(path).text, path


def test_advice_leads_to_the_act_of_those_who_may_do_it_and_others_to_the_account(admin, console, database, account_id):
    fetch(database, "UPDATE accounts SET active = false, inactive_reason = %s RETURNING 1", DEACTIVATED_BY_A_PERSON)
    (link,) = re.findall(r'href="(/accounts/named[^"]*)"', admin.get(f"/accounts/{account_id}").text)
    link = link.replace("&amp;", "&")
    assert admin.get(link).location == f"/accounts/{account_id}/activate"
    assert console.sign_in(Role.VIEWER).get(link).location == f"/accounts/{account_id}"
    fetch(database, "UPDATE accounts SET active = true, inactive_reason = NULL, token = 'x' RETURNING 1")
    (link,) = re.findall(r'href="(/accounts/named[^"]*)"', admin.get("/accounts").text)
    assert admin.get(link.replace("&amp;", "&")).location == f"/accounts/{account_id}/token"


def test_an_account_says_who_has_activated_it_and_why(admin, console, database, account_id):
    path = f"/accounts/{account_id}"
    answer = admin.post(f"{path}/deactivate", {"reason": "x" * 501})
    assert answer.status_code == 422
    assert read_account(database, "active") is True
    admin.post(f"{path}/deactivate", {"reason": ""})
    admin.post(f"{path}/activate", {"reason": " Meta <lifted> the limit "})
    text = read_text(console.sign_in().get(path).text)
    assert "before: deactivated by a person; by eva; Reason: Meta <lifted> the limit" in text
    assert "deactivated by a person; by eva" in text
    assert fetch(database, "SELECT reason FROM audit_events WHERE what LIKE 'account.%%activate' ORDER BY id") == [
        None,
        "Meta <lifted> the limit",
    ]
    assert "Meta <lifted> the limit" in read_text(admin.get("/audit").text)
