"""A request with a key is carried out once, whenever its process dies, and however often it comes at the same time."""

from __future__ import annotations

import threading

import psycopg
import pytest

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.listings.pages import page_audit
from campaigns.management.users.idempotency import KeyBusyError, KeyReusedError, find_outcome, run_once
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import UserChanges, add_user, change_user
from campaigns.privacy.retention import retain_requests
from campaigns.store.users.audit import AuditFilter
from campaigns.store.users.idempotency import KeyedRequest
from tests.store.rows import Beside, fetch
from tests.support.actors import TESTER


@pytest.fixture
def request_(database):
    add_user(database, "maria", actor=TESTER, role=Role.ADMIN, password=None, time_zone="UTC")
    added = add_token(database, "crm", owner="maria", scopes={Scope.AUDIT_READ}, days=1, actor=TESTER)
    return KeyedRequest(added.token.id, "a key", b"d" * 32)


class KilledError(Exception):
    pass


def write(database):
    """Two use cases, each of which opens a transaction when it is called alone."""
    change_user(database, "maria", UserChanges(language="pt_BR"), actor=TESTER)
    change_user(database, "maria", UserChanges(time_zone="Europe/Lisbon"), actor=TESTER)
    return {"status": 200}


def count_changes(database):
    return len(page_audit(database, AuditFilter(what=Act.USER_CHANGE)).rows)


def test_the_second_request_gets_the_first_answer_and_changes_nothing(database, request_):
    first = run_once(database, request_, write)
    again = run_once(database, request_, lambda _database: {"status": 500})
    assert (first.is_replay, again.is_replay, again.answer) == (False, True, first.answer)
    assert find_outcome(database, request_) == again
    assert count_changes(database) == 2


def test_another_request_under_the_same_key_is_refused(database, request_):
    run_once(database, request_, write)
    other = KeyedRequest(request_.token_id, request_.key, b"e" * 32)
    for act in (lambda: run_once(database, other, write), lambda: find_outcome(database, other)):
        with pytest.raises(KeyReusedError):
            act()
    assert count_changes(database) == 2


def test_without_a_key_each_request_is_carried_out_and_nothing_is_stored(database, request_):
    for _ in range(2):
        assert not run_once(database, None, write).is_replay
    assert fetch(database, "SELECT count(*) FROM idempotency_keys") == [0]
    assert count_changes(database) == 4


@pytest.mark.parametrize("error", [KilledError, psycopg.OperationalError])
def test_what_fails_at_the_end_leaves_neither_a_change_nor_a_used_key(database, request_, error):
    def fail(joined):
        write(joined)
        raise error

    with pytest.raises(error):
        run_once(database, request_, fail)
    assert count_changes(database) == 0
    assert not run_once(database, request_, write).is_replay
    assert count_changes(database) == 2


def test_a_connection_that_breaks_before_the_commit_leaves_neither_a_change_nor_a_used_key(database, request_):
    def cut(joined):
        write(joined)
        (pid,) = joined.run(lambda connection: connection.execute("SELECT pg_backend_pid()").fetchone())
        fetch(database, "SELECT pg_terminate_backend(%s)", pid)
        return {"status": 200}

    with pytest.raises(psycopg.OperationalError):
        run_once(database, request_, cut)
    assert count_changes(database) == 0
    assert not run_once(database, request_, write).is_replay


def test_while_a_request_runs_the_same_key_is_busy_and_other_keys_are_not(database, request_):
    begun, go_on = threading.Event(), threading.Event()

    def wait(joined):
        begun.set()
        assert go_on.wait(60)
        return write(joined)

    first = Beside(run_once, database, request_, wait)
    assert begun.wait(60)
    with pytest.raises(KeyBusyError):
        run_once(database, request_, write)
    other = KeyedRequest(request_.token_id, "another key", request_.digest)
    assert not run_once(database, other, lambda _joined: {"status": 200}).is_replay
    go_on.set()
    assert not first.result().is_replay
    assert run_once(database, request_, write).is_replay


def test_a_deadlock_repeats_the_request_as_a_whole(database, request_):
    tries = []

    def fail_once(joined):
        tries.append(write(joined))
        if len(tries) == 1:
            raise psycopg.errors.DeadlockDetected
        return {"status": 200}

    assert not run_once(database, request_, fail_once).is_replay
    assert (len(tries), count_changes(database)) == (2, 2)


def test_keys_are_kept_for_a_day(database, request_):
    for key, hours in (("old", 25), ("young", 23)):
        run_once(database, KeyedRequest(request_.token_id, key, request_.digest), lambda _joined: {"status": 200})
        age = "UPDATE idempotency_keys SET created_at = now() - make_interval(hours => %s) WHERE key = %s"
        fetch(database, age, hours, key)
    retain_requests(database)
    assert fetch(database, "SELECT key FROM idempotency_keys") == ["young"]
