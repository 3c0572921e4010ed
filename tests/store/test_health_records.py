import pytest

from campaigns.store.accounts import (
    claim_health_check,
    load_account_to_check,
    mark_health_due,
    record_health,
    record_health_failure,
)
from tests.store.rows import Beside, add_account, fetch


@pytest.fixture
def account_id(database):
    return database.run(add_account)


def read_health(database, account_id):
    return database.run(load_account_to_check, account_id).health


def test_a_check_is_kept_with_its_time(database, account_id):
    database.run(record_health, account_id, {"quality": "YELLOW"})
    assert read_health(database, account_id) == {"quality": "YELLOW"}
    checked = "SELECT health_checked_at IS NOT NULL FROM accounts WHERE id = %s"
    assert fetch(database, checked, account_id) == [True]


def test_a_failed_check_keeps_the_last_answer_and_is_news_once(database, account_id):
    database.run(record_health, account_id, {"quality": "GREEN"})
    is_new = [database.run(record_health_failure, account_id, reason) for reason in ("400", "400", "timeout")]
    assert is_new == [True, False, True]
    assert read_health(database, account_id) == {"quality": "GREEN", "error": "timeout"}


def test_an_answer_ends_the_failure(database, account_id):
    database.run(record_health_failure, account_id, "400")
    database.run(record_health, account_id, {"quality": "GREEN"})
    assert read_health(database, account_id) == {"quality": "GREEN"}
    assert database.run(record_health_failure, account_id, "400")


def test_health_decides_nothing(database, account_id):
    columns = "active, blocked_until, consecutive_failures, consecutive_reported, activated_at"
    before = fetch(database, f"SELECT {columns} FROM accounts WHERE id = %s", account_id)
    database.run(record_health, account_id, {"quality": "RED", "status": "BANNED"})
    database.run(record_health_failure, account_id, "400")
    assert fetch(database, f"SELECT {columns} FROM accounts WHERE id = %s", account_id) == before


def test_an_account_that_is_gone_is_no_error(database):
    assert database.run(load_account_to_check, 10**9) is None
    assert database.run(record_health_failure, 10**9, "400") is False


def test_a_check_is_made_once_however_often_its_task_comes(database, account_id):
    assert database.run(claim_health_check, account_id) is False, "nobody asked"
    for _ in range(2):
        database.run(mark_health_due, [account_id], every_seconds=0)
        tasks = [Beside(database.run, claim_health_check, account_id) for _ in range(4)]
        assert sorted(task.result() for task in tasks) == [False, False, False, True]
    assert database.run(claim_health_check, 10**9) is False


def test_a_check_is_due_once_per_time_whoever_asks(database, account_id):
    askers = [Beside(database.run, mark_health_due, [account_id], every_seconds=300) for _ in range(4)]
    assert sorted(asker.result() for asker in askers) == [[], [], [], [account_id]]
    fetch(database, "UPDATE accounts SET health_asked_at = health_asked_at - interval '301 s'")
    assert database.run(mark_health_due, [account_id], every_seconds=300) == [account_id]
