"""Accounts, portfolios and templates that a program changes."""

from __future__ import annotations

import pytest

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.management.listings.pages import page_audit
from campaigns.secrets import decrypt_token
from campaigns.store.users.audit import AuditFilter
from tests.store.rows import add_campaign, fetch

TOKEN, NEW_TOKEN = "EAAG-known", "EAAG-new"
ACCOUNT = {"name": "shop", "phone_number_id": "1077", "waba_id": "22", "token": TOKEN}


@pytest.fixture
def meta(far, make_api_with):
    """The API with the simulator in place of Meta, which knows two tokens."""
    far.script(tokens=[TOKEN, NEW_TOKEN])
    return make_api_with(graph_api_url=f"{far.url}/v24.0", health_timeout_seconds=30.0, http_timeout_seconds=30.0)


@pytest.fixture
def program(meta):
    return meta.program()


def read_token_of(api, account_id):
    (token,) = fetch(api.database, "SELECT token FROM accounts WHERE id = %s", int(account_id))
    return decrypt_token(api.settings.secret_key, bytes(token))


def test_an_account_is_added_with_its_token_which_no_answer_has(meta, program):
    answer = program.post("/accounts", ACCOUNT | {"token": f" Bearer {TOKEN} "}, key="one")
    added = answer.json
    assert (answer.status_code, added["name"], added["messages_per_second"], added["active"]) == (201, "shop", 80, True)
    assert answer.headers["Location"] == f"/api/v1/accounts/{added['id']}"
    assert added["warnings"] == []
    assert read_token_of(meta, added["id"]) == TOKEN
    assert program.post("/accounts", ACCOUNT | {"token": f" Bearer {TOKEN} "}, key="one").data == answer.data
    assert program.problem("POST", "/accounts", ACCOUNT) == (409, "phone_number_id_taken")
    (event,) = page_audit(meta.database, AuditFilter(what=Act.ACCOUNT_ADD)).rows
    assert (event.surface, event.after["token"]) == ("api", "given")
    stored = fetch(meta.database, "SELECT answer::text FROM idempotency_keys")
    assert not any(TOKEN in each for each in [answer.text, *stored, str(event)])


def test_a_token_that_meta_refuses_is_not_stored_unless_the_program_says_so(meta, program):
    refused = program("POST", "/accounts", ACCOUNT | {"token": "EAAG-wrong"})
    assert refused.json["code"] == "meta_refuses"
    assert "EAAG-wrong" not in refused.text
    assert program.ok("GET", "/accounts")["items"] == []
    added = program.ok("POST", "/accounts", ACCOUNT | {"token": "EAAG-wrong", "unchecked": True})
    assert read_token_of(meta, added["id"]) == "EAAG-wrong"


def test_an_account_changes_its_rate_its_token_and_its_portfolio(meta, program):
    path = f"/accounts/{program.ok('POST', '/accounts', ACCOUNT)['id']}"
    program.ok("POST", "/portfolios", {"name": "acme", "daily_limit": 2000})
    changed = program.ok("PATCH", path, {"messages_per_second": 250, "portfolio": "acme"})
    assert (changed["messages_per_second"], changed["portfolio"], changed["name"]) == (250, "acme", "shop")
    assert read_token_of(meta, changed["id"]) == TOKEN
    assert program.ok("PATCH", path, {"token": NEW_TOKEN, "portfolio": None})["portfolio"] is None
    assert read_token_of(meta, changed["id"]) == NEW_TOKEN
    assert program.problem("PATCH", path, {"token": "EAAG-wrong"}) == (422, "meta_refuses")
    assert program.problem("PATCH", path, {"portfolio": "nobody"}) == (404, "portfolio_missing")
    assert program.problem("PATCH", path, {"messages_per_second": 0}) == (422, "values_invalid")
    assert program.problem("PATCH", "/accounts/99", {}) == (404, "account_missing")
    assert read_token_of(meta, changed["id"]) == NEW_TOKEN


def test_an_account_is_deactivated_and_activated_and_its_campaigns_go_on(meta, program):
    account_id = int(program.ok("POST", "/accounts", ACCOUNT)["id"])
    waiting = meta.database.run(add_campaign, "running", accounts=[account_id], waiting_reason="no_active_account")
    assert program.ok("POST", f"/accounts/{account_id}:deactivate")["active"] is False
    assert program.ok("POST", f"/accounts/{account_id}:activate")["active"] is True
    assert meta.enqueued == [waiting]
    acts = fetch(meta.database, "SELECT what FROM audit_events WHERE what LIKE 'account.%%' ORDER BY id")
    assert acts == ["account.add", "account.deactivate", "account.activate"]
    assert program.problem("POST", "/accounts/99:activate") == (404, "account_missing")


def test_only_an_admin_changes_accounts(meta):
    operator = meta.program(Role.OPERATOR)
    assert operator.problem("POST", "/accounts", ACCOUNT) == (403, "scope_missing")
    assert operator.problem("POST", "/portfolios", {"name": "acme", "daily_limit": 1}) == (403, "scope_missing")


def test_a_portfolio_is_added_listed_and_changed(program):
    answer = program.post("/portfolios", {"name": "acme", "daily_limit": 2000})
    path = answer.headers["Location"].removeprefix("/api/v1")
    assert program.ok("GET", "/portfolios")["items"] == [answer.json] == [program.ok("GET", path)]
    assert (answer.json["daily_limit"], answer.json["people_count"], answer.json["next_slot_at"]) == (2000, 0, None)
    assert program.ok("PATCH", path, {"daily_limit": 10_000})["daily_limit"] == 10_000
    assert program.ok("PATCH", path, {"name": "acme 2"})["daily_limit"] == 10_000
    assert program.problem("POST", "/portfolios", {"name": "acme 2", "daily_limit": 1}) == (409, "portfolio_exists")
    assert program.problem("POST", "/portfolios", {"name": " ", "daily_limit": 1}) == (422, "portfolio_name_invalid")
    assert program.problem("GET", "/portfolios/99") == (404, "portfolio_missing")


def test_templates_are_read_from_meta_again(meta, program, far):
    program.ok("POST", "/accounts", ACCOUNT)
    far.script(templates=[{"name": "aviso", "body": "Oi!", "language": "pt_BR", "status": "APPROVED"}])
    (read,) = program.post("/templates:sync", {"accounts": ["shop"]}, key="one").json["items"]
    assert (read["waba_id"], read["error"], read["skipped"], read["misfits"]) == ("22", None, [], [])
    assert [(each["name"], each["kind"]) for each in read["changes"]] == [("aviso", "new")]
    assert [each["name"] for each in program.ok("GET", "/templates")["items"]] == ["aviso"]
    assert program.problem("POST", "/templates:sync", {"accounts": ["nobody"]}) == (404, "account_missing")
    far.script(tokens=["another"])
    (failed,) = program.ok("POST", "/templates:sync", {})["items"]
    assert failed["error"]
    assert [each["name"] for each in program.ok("GET", "/templates")["items"]] == ["aviso"]
