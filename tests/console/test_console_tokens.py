"""The tokens of the API in the settings of a person."""

from __future__ import annotations

import re

import pytest

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope, list_scopes
from campaigns.management.users.tokens import find_token
from console.pages.settings.tokens import SCOPES
from tests.console.conftest import read_text
from tests.store.rows import fetch

NEW = "/settings/tokens/new"
FILLED = {"name": "crm", "scopes": ["campaigns:read", "campaigns:send"], "networks": "", "days": "30"}


@pytest.fixture
def maria(console):
    return console.sign_in(Role.OPERATOR, name="maria")


def add(browser, **changes):
    """Add a token; its secret."""
    page = browser.post(NEW, FILLED | changes)
    assert page.status_code == 200, read_text(page.text)
    return re.search(r"<code>(rv_\w+)</code>", page.text)[1]


def test_a_person_adds_a_token_which_is_shown_once(database, maria):
    secret = add(maria, networks="203.0.113.0/24, 10.0.0.1")
    found = find_token(database, secret, address="203.0.113.9")
    assert (found.name, found.owner, found.scopes) == ("crm", "maria", ["campaigns:read", "campaigns:send"])
    page = maria.get("/settings/tokens").text
    assert "203.0.113.0/24, 10.0.0.1/32" in read_text(page)
    assert secret not in page
    days = "SELECT round(extract(epoch FROM expires_at - created_at) / 86400)::integer FROM api_tokens"
    assert fetch(database, days) == [30]
    (event,) = fetch(database, "SELECT after::text FROM audit_events WHERE what = 'token.add' AND actor = 'maria'")
    assert secret not in event


@pytest.mark.parametrize("role", list(Role))
def test_the_form_offers_the_scopes_of_the_role_and_no_others(console, role):
    page = console.sign_in(role).get(NEW).text
    assert set(re.findall(r'name="scopes" value="([^"]+)"', page)) == list_scopes(role)


def test_each_scope_has_words():
    assert set(SCOPES) == set(Scope)


@pytest.mark.parametrize(
    ("changes", "field", "status"),
    [
        ({"name": " "}, "name", 422),
        ({"name": "x" * 65}, "name", 422),
        ({"scopes": []}, "scopes", 422),
        ({"scopes": ["all"]}, "scopes", 422),
        ({"scopes": ["accounts:write"]}, "scopes", 403),
        ({"networks": "the office"}, "networks", 422),
        ({"days": "0"}, "days", 422),
        ({"days": "366"}, "days", 422),
        ({"days": "soon"}, "days", 422),
    ],
)
def test_a_wrong_value_is_told_at_its_field(database, maria, changes, field, status):
    answer = maria.post(NEW, FILLED | changes)
    assert answer.status_code == status
    assert f'id="{field}-error"' in answer.text
    assert fetch(database, "SELECT count(*) FROM api_tokens") == [0]


def test_a_person_sees_and_revokes_their_own_tokens_and_an_admin_those_of_all(console, database, maria):
    secret = add(maria)
    path = "/settings/tokens/{}/revoke".format(*fetch(database, "SELECT id FROM api_tokens"))
    joao, eva = console.sign_in(Role.OPERATOR, name="joao"), console.sign_in(Role.ADMIN, name="eva")
    assert "crm" not in read_text(joao.get("/settings/tokens").text)
    assert joao.get(path).status_code == joao.post(path, form="/settings").status_code == 404
    assert find_token(database, secret, address="127.0.0.1").owner == "maria"
    assert "crm" in read_text(eva.get("/settings/tokens").text)
    assert "The token is revoked." in read_text(eva.get(eva.post(path).location).text)
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'token.revoke'") == ["eva"]
    page = maria.get("/settings/tokens").text
    assert "revoked" in read_text(page)
    assert path not in page
    maria.post(path, form="/settings")  # a second revocation changes nothing
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'token.revoke'") == [1]
