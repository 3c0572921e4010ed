from __future__ import annotations

import threading

import pytest

from campaigns.domain.statement import Refusal
from campaigns.domain.users.rights import Role
from campaigns.management.listings.pages import page_audit
from campaigns.management.users.users import UserChanges, add_user, change_user
from tests.store.rows import fetch
from tests.support.actors import TESTER

WORDS = "quatro palavras sem nexo"


@pytest.fixture
def add(revoada):
    """Adds a user; returns its row."""

    def add_one(name="maria", role="admin", *options, stdin=f"{WORDS}\n"):
        result = revoada("user", "add", name, "--role", role, "--password-stdin", "--json", *options, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    return add_one


def test_a_user_is_added_with_a_hash_and_listed_without_it(revoada, add, database):
    add("Maria", "admin", "--language", "pt_BR", "--timezone", "America/Manaus")
    (row,) = revoada.json("user", "list")
    assert (row["name"], row["role"], row["has_password"], row["disabled_at"]) == ("maria", "admin", True, None)
    assert (row["language"], row["time_zone"], row["session_count"]) == ("pt_BR", "America/Manaus", 0)
    (password_hash,) = fetch(database, "SELECT password_hash FROM users")
    assert password_hash.startswith("$argon2id$")
    output = revoada.ok("user", "list") + str(page_audit(database).rows)
    assert "argon2" not in output
    assert WORDS not in output


def test_a_user_gets_the_language_of_the_command_unless_another_one_is_given(revoada, monkeypatch):
    monkeypatch.setenv("REVOADA_LANGUAGE", "pt_BR")
    revoada("user", "add", "maria", "--role", "admin", "--no-password", "--json")
    revoada("user", "add", "eva", "--role", "viewer", "--no-password", "--language", "en")
    listed = revoada.json("user", "list")
    assert {row["name"]: row["language"] for row in listed} == {"maria": "pt_BR", "eva": "en"}


def test_no_user_yet(revoada):
    assert revoada.ok("user", "list") == "There is no user yet: `revoada user add -h`.\n"


@pytest.mark.parametrize(
    ("arguments", "stdin", "reason"),
    [
        (("maria", "--password-stdin"), "short\n", "A password has at least 12 and at most 256 characters."),
        (("maria", "--password-stdin"), "", "A password has at least 12 and at most 256 characters."),
        (("maria", "--password-stdin"), "maria1234567\n", "This password is easy to guess."),
        (("maria silva", "--no-password"), "", "A user's name has 1 to 64 letters"),
        (("taken", "--no-password"), "", "There is a user taken already."),
        (("maria",), "", "There is no terminal to ask for the password: give it with --password-stdin."),
    ],
)
def test_bad_input_is_refused_and_adds_nobody(revoada, arguments, stdin, reason):
    revoada.ok("user", "add", "taken", "--role", "viewer", "--no-password")
    assert revoada.refusal("user", "add", *arguments, "--role", "admin", stdin=stdin).startswith(reason)
    assert [row["name"] for row in revoada.json("user", "list")] == ["taken"]


def test_a_user_who_is_not_there_is_refused_with_the_next_command(revoada):
    for words in (("set", "eva", "--role", "admin"), ("disable", "eva")):
        assert revoada.refusal("user", *words) == "There is no user eva; `revoada user list` shows all."


def test_the_last_admin_stays(revoada, add):
    add("maria")
    revoada.ok("user", "add", "gone", "--role", "admin", "--no-password")
    revoada.ok("user", "disable", "gone")
    why = "maria is the last admin who can sign in: make another user an admin first."
    assert revoada.refusal("user", "disable", "maria") == why
    assert revoada.refusal("user", "set", "maria", "--role", "operator") == why
    revoada.ok("user", "set", "maria", "--language", "pt_BR")
    revoada.ok("user", "set", "gone", "--enable")
    revoada.ok("user", "disable", "maria")
    assert {row["name"]: row["disabled_at"] is None for row in revoada.json("user", "list")} == {
        "gone": True,
        "maria": False,
    }


def test_two_admins_cannot_remove_each_other_at_the_same_time(database):
    names = ["ana", "bia"]
    for name in names:
        add_user(database, name, actor=TESTER, role=Role.ADMIN, password=None, time_zone="UTC")
    results = []

    def demote(name):
        try:
            results.append(change_user(database, name, UserChanges(role=Role.VIEWER), actor=TESTER).role)
        except Refusal as refusal:
            results.append(refusal.code)

    threads = [threading.Thread(target=demote, args=(name,)) for name in names]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(results) == ["last_admin", "viewer"]


@pytest.mark.parametrize(
    ("words", "left"),
    [
        (("set", "joao", "--role", "viewer"), 0),
        (("set", "joao", "--password-stdin"), 0),
        (("disable", "joao"), 0),
        (("set", "joao", "--role", "planner"), 1),  # it is this role already
        (("set", "joao", "--language", "pt_BR"), 1),
    ],
)
def test_a_new_role_or_password_ends_the_sessions(revoada, add, database, words, left):
    add("joao", "planner")
    fetch(database, "INSERT INTO sessions (token_sha256, user_id) SELECT sha256('x'), id FROM users")
    assert revoada("user", *words, stdin="outras palavras bem compridas\n").exit_code == 0
    assert fetch(database, "SELECT count(*) FROM sessions") == [left]
