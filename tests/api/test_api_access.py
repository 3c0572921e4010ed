"""Who may call which route, and the problems that each request may meet."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import pytest

from api.access import ANY_TOKEN, PUBLIC, find_demand
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope, list_scopes
from campaigns.management.users.tokens import revoke_token
from campaigns.management.users.users import UserChanges, change_user
from campaigns.store.database import Database
from campaigns.throttle.requests import PER_MINUTE
from devstack.proxy import Proxy
from tests.api.conftest import Api, read_problem
from tests.store.rows import PATIENT, add_campaign, fetch
from tests.support.actors import TESTER


def list_routes(app):
    """Each route with its method, a path, and what it demands."""
    for rule in app.url_map.iter_rules():
        for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
            _, path = rule.build(dict.fromkeys(rule.arguments, 1), append_unknown=False)
            yield method, path.removeprefix("/v1"), find_demand(app, rule.endpoint)


def test_each_route_names_a_scope_or_is_listed_here(api):
    others = {path: demand for _, path, demand in list_routes(api.app) if demand not in set(Scope)}
    assert others == {"/me": ANY_TOKEN, "/openapi.json": PUBLIC, "/docs": PUBLIC}


def test_each_route_opens_for_its_scope_and_for_no_other(api, database):
    programs = {scope: api.program(Role.ADMIN, [scope]) for scope in Scope}
    for method, path, demand in list_routes(api.app):
        for scope, program in programs.items():
            answer = program(method, path, headers={"If-Match": "*"})
            if demand in {PUBLIC, ANY_TOKEN}:
                assert answer.status_code == 200, path
            elif scope == demand:
                assert answer.status_code not in {401, 403}, (method, path)
            else:
                assert read_problem(answer) == (403, "scope_missing"), (method, path, scope)


def test_each_route_but_the_description_demands_a_token(api):
    for method, path, demand in list_routes(api.app):
        answer = api.stranger()(method, path)
        if demand == PUBLIC:
            assert answer.status_code == 200
        else:
            assert read_problem(answer) == (401, "authentication_missing"), path
            assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("role", list(Role))
def test_a_token_never_may_more_than_its_owner_may_now(api, role):
    program = api.program(Role.ADMIN, name="maria")
    assert set(program.ok("GET", "/me")["token"]["scopes"]) == set(Scope)
    change_user(api.database, "maria", UserChanges(role=role), actor=TESTER) if role is not Role.ADMIN else None
    assert set(program.ok("GET", "/me")["token"]["scopes"]) == list_scopes(role)
    allowed = role in {Role.OPERATOR, Role.ADMIN}
    assert program.problem("POST", "/campaigns/1:pause")[0] == (404 if allowed else 403)


@pytest.fixture(autouse=True)
def _an_admin_stays(api):
    api.program(Role.ADMIN, name="the-other-admin")


def test_a_token_that_ends_in_any_way_is_refused_with_the_same_words(api, program):
    texts = set()
    for authorization in ("Bearer rv_x", "Bearer EAAG", f"Bearer {program.added.secret[:-1]}Q"):
        answer = program("GET", "/me", headers={"Authorization": authorization})
        assert read_problem(answer) == (401, "api_token_invalid")
        texts.add(answer.json["detail"])
    change_user(api.database, program.added.token.owner, UserChanges(is_enabled=False), actor=TESTER)
    texts.add(program("GET", "/me").json["detail"])
    other = api.program()
    revoke_token(api.database, other.added.token.id, actor=TESTER)
    texts.add(other("GET", "/me").json["detail"])
    assert len(texts) == 1


def test_a_token_of_another_network_is_refused(api):
    program = api.program(networks=["203.0.113.0/24"])
    assert program.problem("GET", "/me") == (403, "api_token_network")


def test_behind_a_trusted_proxy_the_client_and_the_prefix_are_those_of_the_person(make_api_with):
    trusted = (ipaddress.ip_network("127.0.0.1"),)
    api = make_api_with(public_url="https://example.com/tools/revoada", trusted_proxies=trusted)
    program = api.program(networks=["203.0.113.0/24"])
    add_campaigns(api.database, 2)
    forwarded = {"X-Forwarded-For": "203.0.113.9"}
    answer = program("GET", "/campaigns?limit=1", root="/tools/revoada/api/v1", headers=forwarded)
    assert answer.status_code == 200
    assert answer.headers["Link"].startswith("</tools/revoada/api/v1/campaigns?limit=1&cursor=")


def add_campaigns(database, count):
    return [database.run(add_campaign, "draft") for _ in range(count)]


def test_no_answer_sets_or_reads_a_cookie(api, program):
    answer = api.stranger()("GET", "/me", headers={"Cookie": "revoada=x"})
    assert answer.status_code == 401
    assert "Set-Cookie" not in answer.headers
    answer = program("GET", "/me")
    assert "Set-Cookie" not in answer.headers
    assert (answer.headers["Cache-Control"], answer.headers["X-Content-Type-Options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize(
    ("method", "path", "options", "problem"),
    [
        ("GET", "/nothing", {}, (404, "not_found")),
        ("GET", "/campaigns/0", {}, (404, "not_found")),
        ("GET", "/campaigns/9223372036854775808", {}, (404, "not_found")),
        ("GET", "/campaigns/7", {}, (404, "campaign_missing")),
        ("GET", "/accounts/7", {}, (404, "account_missing")),
        ("PUT", "/me", {}, (405, "method_not_allowed")),
        ("OPTIONS", "/me", {}, (405, "method_not_allowed")),
        ("POST", "/campaigns", {"data": "name=x"}, (415, "media_type_unsupported")),
        ("POST", "/campaigns", {"data": "{", "content_type": "application/json"}, (400, "body_malformed")),
        ("POST", "/campaigns", {"data": b"\xff", "content_type": "application/json"}, (400, "body_malformed")),
        ("POST", "/campaigns", {"data": "[" * 60_000, "content_type": "application/json"}, (400, "body_malformed")),
        ("POST", "/campaigns", {"data": "1" * 5_000, "content_type": "application/json"}, (400, "body_malformed")),
        ("POST", "/campaigns", {"data": "x" * 70_000, "content_type": "application/json"}, (413, "body_too_large")),
        ("POST", "/campaigns", {"body": ["x"]}, (422, "values_invalid")),
        ("POST", "/templates:sync", {"data": "null", "content_type": "application/json"}, (422, "values_invalid")),
        ("POST", "/campaigns", {"body": {"name": "x\0", "template": "x"}}, (422, "values_invalid")),
        ("POST", "/campaigns", {"body": {"name": "x\ud800", "template": "x"}}, (422, "values_invalid")),
        ("POST", "/campaigns/1:pause", {"body": {"force": True}}, (400, "body_unexpected")),
        ("POST", "/campaigns/1:pause", {"headers": {"Idempotency-Key": "ä"}}, (400, "idempotency_key_invalid")),
        ("GET", "/campaigns?text=%00", {}, (422, "values_invalid")),
        ("GET", "/campaigns?limit=0", {}, (422, "values_invalid")),
        ("GET", "/campaigns?limit=201", {}, (422, "values_invalid")),
        ("GET", "/campaigns?page=2", {}, (422, "values_invalid")),
        ("GET", "/campaigns?cursor=x", {}, (422, "values_invalid")),
        ("GET", "/audit?since=2026-01-01T00:00:00", {}, (422, "values_invalid")),
        ("GET", "/audit?campaign_id=abc", {}, (422, "values_invalid")),
        ("GET", "/audit?since=0", {}, (422, "values_invalid")),
        ("GET", "/prices?day=0", {}, (422, "values_invalid")),
        ("POST", "/campaigns", {"body": {"name": "x", "template": "x", "expire_at": 2**31}}, (422, "values_invalid")),
        ("PATCH", "/campaigns/1", {"body": {}}, (428, "if_match_missing")),
        ("DELETE", "/campaigns/1", {}, (428, "if_match_missing")),
    ],
)
def test_what_is_wrong_is_told_as_a_problem(program, method, path, options, problem):
    body = options.pop("body", None) if "body" in options else None
    assert program.problem(method, path, body, **options) == problem


def test_a_value_that_is_not_valid_has_its_pointer(program):
    body = {"name": "x", "template": "promo:pt_BR", "unknown/member": 1, "weekdays": [1, 8]}
    answer = program.post("/campaigns", body)
    assert {(each["pointer"], each["code"]) for each in answer.json["errors"]} == {
        ("/unknown~1member", "extra_forbidden"),
        ("/weekdays/1", "less_than_equal"),
    }
    (error,) = program("GET", "/campaigns?limit=x").json["errors"]
    assert (error["pointer"], error["code"]) == ("?limit", "int_parsing")


def test_a_refusal_has_its_hint(program):
    answer = program("GET", "/campaigns/7")
    assert answer.json["hint"] == {"action": "list_campaigns", "target": ""}


def test_above_the_limit_a_token_waits_and_other_tokens_go_on(api, program):
    first = program("GET", "/me")
    assert first.headers["RateLimit-Policy"] == f'"minute";q={PER_MINUTE};w=60'
    assert first.headers["RateLimit"].startswith(f'"minute";r={PER_MINUTE - 1};t=')
    limit = api.app.extensions["revoada"].limit
    while not limit.count(program.added.token.id).is_exceeded:
        pass
    answer = program("GET", "/me")
    assert read_problem(answer) == (429, "limit_exceeded")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert answer.headers["RateLimit"].startswith('"minute";r=0;t=')
    assert api.program()("GET", "/me").status_code == 200


def test_while_postgres_is_away_each_request_is_told_to_wait(database_url, program, settings):
    port = urlsplit(database_url).port
    with Proxy(port) as proxy:
        database = Database(database_url.replace(f":{port}", f":{proxy.port}"), **PATIENT | {"wait_seconds": 0.1})
        database.open()
        away = Api(database, settings)
        proxy.refuse()
        program.console = away.console
        for method, path, demand in list_routes(away.app):
            if demand != PUBLIC:
                answer = program(method, path, headers={"If-Match": "*", "Idempotency-Key": "one"})
                assert read_problem(answer) == (503, "database_away"), path
                assert int(answer.headers["Retry-After"]) > 0
        proxy.accept()
        database.close()


def test_a_fault_of_the_program_is_logged_with_its_request_id(api, program, monkeypatch, caplog):
    monkeypatch.setattr(api.app.extensions["revoada"].limit, "count", lambda _token_id: 1 / 0)
    answer = program("GET", "/me")
    assert read_problem(answer) == (500, "fault")
    (record,) = [each for each in caplog.records if each.levelname == "ERROR"]
    assert record.request_id == answer.json["request_id"]
    assert program.added.secret not in caplog.text


def test_the_last_use_of_a_token_is_kept(api, program):
    program("GET", "/me")
    used = "SELECT last_used_at IS NOT NULL FROM api_tokens WHERE id = %s"
    assert fetch(api.database, used, program.added.token.id) == [True]
