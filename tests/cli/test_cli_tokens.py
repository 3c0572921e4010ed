from __future__ import annotations

import psycopg
import pytest

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Right, Role, list_rights
from campaigns.domain.users.scopes import NEEDED_RIGHTS, Scope, allow_scopes
from campaigns.domain.users.tokens import is_token, write_token
from campaigns.management.listings.pages import page_audit
from campaigns.management.users.tokens import find_token
from campaigns.management.users.users import UserChanges, change_user
from campaigns.store.users.audit import AuditFilter
from tests.store.rows import fetch
from tests.support.actors import TESTER

READ = ("--scope", "campaigns:read")


@pytest.fixture
def maria(revoada):
    revoada.ok("user", "add", "maria", "--role", "operator", "--no-password")
    return revoada


def test_the_token_is_shown_once_and_stored_as_a_hash(maria, database):
    output = maria.ok("token", "add", "crm", "--user", "Maria", *READ, "--network", "203.0.113.0/24", "--days", "2")
    secret = output.splitlines()[-1]
    assert is_token(secret)
    (row,) = maria.json("token", "list")
    assert (row["name"], row["owner"], row["scopes"]) == ("crm", "maria", ["campaigns:read"])
    assert (row["networks"], row["is_valid"], row["last_used_at"]) == (["203.0.113.0/24"], True, None)
    events = page_audit(database, AuditFilter(what=Act.TOKEN_ADD)).rows
    assert [event.after["scopes"] for event in events] == [["campaigns:read"]]
    everything = maria.ok("token", "list") + str(events) + str(fetch(database, "SELECT t::text FROM api_tokens t"))
    assert secret not in everything


def test_a_revoked_token_stays_in_the_list_and_is_revoked_once(maria, database):
    maria.ok("token", "add", "crm", "--user", "maria", *READ)
    for _ in range(2):
        assert maria.ok("token", "revoke", "1") == "Token 1 (crm) is not valid any more.\n"
    (row,) = maria.json("token", "list")
    assert (row["is_valid"], row["revoked_at"] is not None) == (False, True)
    assert len(page_audit(database, AuditFilter(what=Act.TOKEN_REVOKE)).rows) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("add", "crm", "--user", "eva", *READ), "There is no user eva; `revoada user list` shows all."),
        (("add", " ", "--user", "maria", *READ), "The name of a token is one line of 1 to 64 characters."),
        (
            ("add", "crm", "--user", "maria", *READ, "--network", "10.0.0.1/8"),
            "10.0.0.1/8 is no address and no network such as 203.0.113.0/24.",
        ),
        (("revoke", "7"), "There is no token 7; `revoada token list` shows all."),
    ],
)
def test_bad_input_is_refused_and_adds_no_token(maria, arguments, reason):
    assert maria.refusal("token", *arguments) == reason
    assert maria.json("token", "list") == []


def test_a_scope_that_the_role_of_the_owner_does_not_allow_is_refused(revoada):
    revoada.ok("user", "add", "eva", "--role", "planner", "--no-password")
    why = "eva has the role planner, which does not allow the scope campaigns:send."
    assert revoada.refusal("token", "add", "crm", "--user", "eva", "--scope", "campaigns:send") == why


def test_the_table_itself_refuses_a_token_of_more_than_a_year(maria, database):
    maria.ok("token", "add", "crm", "--user", "maria", *READ, "--days", "365")
    with pytest.raises(psycopg.errors.CheckViolation):
        fetch(database, "UPDATE api_tokens SET expires_at = expires_at + interval '1 second'")


def test_no_scope_opens_more_than_its_owner_may_now():
    for role in Role:
        allowed = allow_scopes(list(Scope), role)
        assert all(NEEDED_RIGHTS[scope] <= list_rights(role) for scope in allowed)
    assert Scope.CAMPAIGNS_SEND not in allow_scopes(["campaigns:send"], Role.PLANNER)
    assert allow_scopes(["campaigns:read", "of a newer version"], Role.ADMIN) == {Scope.CAMPAIGNS_READ}
    assert Right.TOKEN_CHANGE in list_rights(Role.ADMIN) - list_rights(Role.OPERATOR)


def find(database, secret, address="203.0.113.9"):
    return find_token(database, secret, address=address)


def test_a_token_is_valid_until_it_ends_or_its_owner_is_disabled(maria, database):
    secret = maria.json("token", "add", "crm", "--user", "maria", *READ)["token"]
    assert (find(database, secret).owner, find(database, secret).is_unseen) == ("maria", False)
    ends = [
        "UPDATE api_tokens SET created_at = now() - interval '2 days', expires_at = now()",
        "UPDATE api_tokens SET expires_at = now() + interval '1 day', revoked_at = now()",
    ]
    for end in ends:
        fetch(database, end)
        with pytest.raises(ValueError, match="The token is not valid: it is unknown"):
            find(database, secret)
    fetch(database, "UPDATE api_tokens SET revoked_at = NULL")
    assert find(database, secret).name == "crm"
    change_user(database, "maria", UserChanges(is_enabled=False), actor=TESTER)
    with pytest.raises(ValueError, match="not valid"):
        find(database, secret)


def test_a_token_holds_only_for_requests_from_its_networks(maria, database):
    networks = ("--network", "203.0.113.0/24", "--network", "2001:db8::/32")
    secret = maria.json("token", "add", "crm", "--user", "maria", *READ, *networks)["token"]
    assert find(database, secret, "203.0.113.9").id == find(database, secret, "2001:db8::7").id
    with pytest.raises(ValueError, match=r"The token does not hold for requests from 198\.51\.100\.1\."):
        find(database, secret, "198.51.100.1")


@pytest.mark.parametrize("wrong", ["", "rv_", "rv_ä", "Bearer", "x" * 43])
def test_a_text_that_is_no_token(wrong):
    assert not is_token(wrong)


def test_a_wrong_character_is_found_by_the_checksum():
    right = write_token("0" * 33 + "z")
    assert (is_token(right), len(right)) == (True, 43)
    assert not any(is_token(right[:place] + "Q" + right[place + 1 :]) for place in range(43))
