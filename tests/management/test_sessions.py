"""Logins and sessions: the limits, the same answer for every wrong login, and the ends of a session."""

from __future__ import annotations

import threading

import pytest

from campaigns.config import read_settings
from campaigns.domain.statement import Kind, Refusal
from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.management.listings.pages import page_audit
from campaigns.management.users.hashing import Hasher
from campaigns.management.users.sessions import (
    confirm_session,
    demand_confirmation,
    end_session,
    end_sessions,
    find_proxy_user,
    find_session,
    log_in,
)
from campaigns.management.users.users import UserChanges, add_user, change_user
from campaigns.privacy.retention import retain_logins
from campaigns.store.users.audit import AuditFilter
from campaigns.store.users.users import end_sessions_of_user, list_users, lock_user, update_user
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

WORDS = "quatro palavras sem nexo"
HOME = "198.51.100.7"


class QuickHasher(Hasher):
    """Compares without argon2, because the limits do not depend on the hash. `asked`: the hashes that were verified."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def verify(self, password_hash, password):
        self.asked.append(password_hash)
        return password_hash is not None and password == WORDS


@pytest.fixture
def hasher():
    return QuickHasher()


@pytest.fixture
def maria(database):
    return add_user(database, "maria", actor=TESTER, role=Role.OPERATOR, password=WORDS, time_zone="UTC")


@pytest.fixture
def attempt(database, hasher):
    """Tries to log in; returns the code of the refusal, or the session."""

    def try_one(name="maria", password="wrong", address=HOME):
        try:
            return log_in(database, hasher, name, password, address=address)
        except Refusal as refusal:
            return refusal.code

    return try_one


def move_back(database, seconds):
    """Let all attempts and sessions be older."""
    fetch(database, "UPDATE login_attempts SET at = at - make_interval(secs => %s)", seconds)
    fetch(
        database,
        "UPDATE sessions SET seen_at = seen_at - make_interval(secs => %(s)s),"
        " created_at = created_at - make_interval(secs => %(s)s)".replace("%(s)s", str(seconds)),
    )


def test_a_session_is_found_by_its_token_only(database, maria):
    opened = log_in(database, Hasher(), " Maria ", WORDS, address=HOME)
    assert (opened.user.name, opened.user.role) == ("maria", "operator")
    assert len(opened.token) >= 43  # 32 bytes in base 64
    assert find_session(database, opened.token).user_id == maria.id
    assert find_session(database, opened.token[:-1] + ("A" if opened.token[-1] != "A" else "B")) is None
    assert find_session(database, "") is None
    (stored,) = fetch(database, "SELECT encode(token_sha256, 'escape') FROM sessions")
    assert opened.token not in stored
    assert database.run(list_users)[0].session_count == 1


def test_each_login_has_a_token_of_its_own(attempt, maria):
    assert attempt(password=WORDS).token != attempt(password=WORDS).token


def test_every_wrong_login_has_the_same_answer_and_the_same_work(database, hasher, maria, attempt):
    add_user(database, "proxy", actor=TESTER, role=Role.VIEWER, password=None, time_zone="UTC")
    add_user(database, "gone", actor=TESTER, role=Role.VIEWER, password=WORDS, time_zone="UTC")
    change_user(database, "gone", UserChanges(is_enabled=False), actor=TESTER)
    answers = set()
    for name, password in (
        ("maria", "x"),
        ("nobody", WORDS),
        ("gone", WORDS),
        ("proxy", WORDS),
        ("", ""),
        ("a\0bcd\ud800", "x"),
    ):
        with pytest.raises(Refusal) as caught:
            log_in(database, hasher, name, password, address=HOME)
        answers.add((caught.value.code, str(caught.value), caught.value.kind))
    assert answers == {("login_wrong", "The name or the password is wrong.", Kind.FORBIDDEN)}
    assert len(hasher.asked) == 6


@pytest.mark.parametrize("name", ["maria", "nobody"])
def test_a_name_has_five_attempts_a_minute_and_twenty_an_hour(database, maria, attempt, name):
    for _ in range(4):
        assert [attempt(name) for _ in range(6)] == ["login_wrong"] * 5 + ["login_limited"]
        move_back(database, 61)
    assert attempt(name) == "login_limited"
    assert attempt(name.upper(), address="203.0.113.5") == "login_limited"
    assert attempt("eva") == "login_wrong"
    move_back(database, 3600)
    assert attempt(name) == "login_wrong"


def test_a_locked_name_is_told_how_long_even_with_the_right_password(database, hasher, maria, attempt):
    for _ in range(5):
        attempt()
    move_back(database, 15)
    with pytest.raises(Refusal, match=r"^There were too many attempts. Try again in 4[3-5] s\.$"):
        log_in(database, hasher, "maria", WORDS, address=HOME)
    move_back(database, 46)
    assert attempt(password=WORDS).user.name == "maria"


@pytest.mark.parametrize(
    ("same", "other"),
    [(HOME, "198.51.100.8"), ("2001:db8:1:2::7", "2001:db8:1:3::7"), ("2001:db8:1:2:ffff::1", "::ffff:198.51.100.8")],
)
def test_a_network_has_thirty_attempts_a_minute(attempt, maria, same, other):
    first = "2001:db8:1:2::1" if ":" in same else same
    assert {attempt(f"user{number}", address=first) for number in range(30)} == {"login_wrong"}
    assert attempt(password=WORDS, address=same) == "login_limited"
    assert attempt(password=WORDS, address=other).user.name == "maria"


def test_a_right_login_does_not_count(attempt, maria):
    for _ in range(40):
        assert attempt(password=WORDS).user.name == "maria"


def test_attempts_at_the_same_time_do_not_pass_the_limit(database, attempt, maria):
    results = []
    threads = [threading.Thread(target=lambda: results.append(attempt())) for _ in range(12)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(results) == ["login_limited"] * 7 + ["login_wrong"] * 5


def test_the_audit_has_each_login_but_no_name_that_nobody_has(database, attempt, maria):
    attempt()
    attempt("my-Secret-password")
    attempt("abc")
    attempt(password=WORDS)
    rows = page_audit(database, limit=4).rows
    assert [(row.what, row.actor, row.target_id, row.network) for row in rows] == [
        (Act.USER_LOG_IN, "maria", maria.id, HOME),
        (Act.USER_LOG_IN_FAILED, "…", None, HOME),
        (Act.USER_LOG_IN_FAILED, "my…", None, HOME),
        (Act.USER_LOG_IN_FAILED, "maria", maria.id, HOME),
    ]
    assert all(row.surface == "console" for row in rows)


def test_a_session_ends_twelve_hours_after_the_last_request(database, attempt, maria):
    token = attempt(password=WORDS).token
    for _ in range(3):
        move_back(database, 11 * 3600)
        assert find_session(database, token).name == "maria"
    move_back(database, 12 * 3600 + 1)
    assert find_session(database, token) is None


def test_a_session_ends_seven_days_after_the_login(database, attempt, maria):
    token = attempt(password=WORDS).token
    for _ in range(15):
        move_back(database, 11 * 3600)
        assert find_session(database, token) is not None
    move_back(database, 4 * 3600)
    assert find_session(database, token) is None


@pytest.mark.parametrize(
    "changes",
    [
        UserChanges(role=Role.VIEWER),
        UserChanges(password="outras palavras bem compridas"),
        UserChanges(is_enabled=False),
    ],
)
def test_a_change_of_the_user_ends_the_session(database, attempt, maria, changes):
    token = attempt(password=WORDS).token
    change_user(database, "maria", changes, actor=TESTER)
    assert find_session(database, token) is None


def test_a_user_who_is_disabled_during_the_login_gets_no_session(database, hasher, maria, monkeypatch):
    def verify(_hash, _password):
        change_user(database, "maria", UserChanges(is_enabled=False), actor=TESTER)
        return True

    monkeypatch.setattr(hasher, "verify", verify)
    with pytest.raises(Refusal) as caught:
        log_in(database, hasher, "maria", WORDS, address=HOME)
    assert caught.value.code == "login_wrong"
    assert fetch(database, "SELECT count(*) FROM sessions") == [0]


@pytest.mark.usefixtures("maria")
@pytest.mark.parametrize("is_outdated", [False, True])
def test_a_login_beside_a_new_password_opens_nothing(database, hasher, attempt, monkeypatch, is_outdated):
    """The login has verified the old password, and the change of the password is not committed yet."""
    monkeypatch.setattr(hasher, "is_outdated", lambda _hash: is_outdated)

    new = hasher.hash("other words")

    def change(connection):
        user = lock_user(connection, "maria")
        update_user(connection, user.id, password_hash=new)
        return end_sessions_of_user(connection, user.id)

    changing, may_commit = hold(database, change)
    login = Beside(attempt, password=WORDS)
    await_blocked(database)
    may_commit.set()
    changing.result()
    assert login.result() == "login_wrong"
    assert fetch(database, "SELECT count(*) FROM sessions") == [0]
    assert fetch(database, "SELECT password_hash FROM users") == [new]


def test_an_outdated_hash_is_renewed_at_the_next_login(database, hasher, maria, attempt, monkeypatch):
    (before,) = fetch(database, "SELECT password_hash FROM users")
    monkeypatch.setattr(hasher, "is_outdated", lambda _hash: True)
    token = attempt(password=WORDS).token
    (after,) = fetch(database, "SELECT password_hash FROM users")
    assert after != before
    assert Hasher().verify(after, WORDS)
    assert find_session(database, token) is not None


def test_a_user_signs_out_here_or_everywhere_else(database, attempt, maria):
    first, second, third = (attempt(password=WORDS).token for _ in range(3))
    assert end_session(database, first, actor=TESTER)
    assert not end_session(database, first, actor=TESTER)
    assert end_sessions(database, maria.id, actor=TESTER, kept=second) == 1
    assert [find_session(database, token) is not None for token in (first, second, third)] == [False, True, False]
    assert end_sessions(database, maria.id, actor=TESTER) == 1
    acts = [row.what for row in page_audit(database, AuditFilter(actor="tester"), limit=3).rows]
    assert acts == [Act.USER_END_SESSIONS, Act.USER_END_SESSIONS, Act.USER_LOG_OUT]


def test_retention_deletes_ended_sessions_and_old_attempts(database, attempt, maria):
    attempt(password=WORDS)
    attempt()
    move_back(database, 13 * 3600)
    token = attempt(password=WORDS).token
    attempt()
    retain_logins(database)
    assert fetch(database, "SELECT count(*) FROM sessions") == [1]
    assert fetch(database, "SELECT count(*) FROM login_attempts") == [1]
    assert find_session(database, token) is not None


def test_a_password_is_asked_for_again_after_ten_minutes(database, hasher, attempt, maria):
    token = attempt(password=WORDS).token
    demand_confirmation(find_session(database, token))
    fetch(database, "UPDATE sessions SET confirmed_at = confirmed_at - interval '10 minutes'")
    with pytest.raises(Refusal) as raised:
        demand_confirmation(find_session(database, token))
    assert (raised.value.code, raised.value.kind) == ("confirmation_needed", Kind.FORBIDDEN)
    confirm_session(database, hasher, token, WORDS, address=HOME)
    demand_confirmation(find_session(database, token))
    assert page_audit(database, limit=1).rows[0].what == Act.USER_CONFIRM
    assert fetch(database, "SELECT FROM login_attempts") == []  # a right password does not count


def test_a_wrong_password_confirms_nothing_and_counts_as_a_login(database, hasher, attempt, maria):
    token = attempt(password=WORDS).token
    fetch(database, "UPDATE sessions SET confirmed_at = confirmed_at - interval '1 hour'")
    codes = []
    for password in [*["wrong"] * 5, WORDS]:
        with pytest.raises(Refusal) as raised:
            confirm_session(database, hasher, token, password, address=HOME)
        codes.append(raised.value.code)
    assert codes == ["login_wrong"] * 5 + ["login_limited"]
    assert not find_session(database, token).is_confirmed


def test_an_ended_session_and_a_password_that_was_just_replaced_confirm_nothing(database, hasher, attempt, maria):
    token = attempt(password=WORDS).token
    verify = hasher.verify

    def replace_meanwhile(password_hash, password):
        fetch(database, "UPDATE users SET password_hash = password_hash || 'x'")
        return verify(password_hash, password)

    hasher.verify = replace_meanwhile
    for code in ("login_wrong", "session_ended"):
        with pytest.raises(Refusal) as raised:
            confirm_session(database, hasher, token, WORDS, address=HOME)
        assert raised.value.code == code
        change_user(database, "maria", UserChanges(is_enabled=False), actor=TESTER)


def test_a_trusted_proxy_signs_a_user_in_who_may_have_no_password(database):
    add_user(database, "joao", actor=TESTER, role=Role.VIEWER, password=None, time_zone="UTC")
    settings = read_settings({"REVOADA_USER_HEADER": "X-User", "REVOADA_TRUSTED_PROXIES": "10.0.0.5"})
    headers = [("X-User", "Joao")]
    assert find_proxy_user(database, settings, headers, "10.0.0.5").role == "viewer"
    assert find_proxy_user(database, settings, headers, "10.0.0.6") is None
    assert find_proxy_user(database, settings, [], "10.0.0.5") is None
    assert find_proxy_user(database, read_settings({}), headers, "10.0.0.5") is None
    change_user(database, "joao", UserChanges(is_enabled=False), actor=TESTER)
    for name in ("joao", "nobody"):
        with pytest.raises(Refusal, match=rf"^{name} has no access here\.") as raised:
            find_proxy_user(database, settings, [("X-User", name)], "10.0.0.5")
        assert raised.value.code == "user_without_access"
