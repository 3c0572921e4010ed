"""Each job is done once, in the order of its campaign, or told why not."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from campaigns.domain.message import Status
from campaigns.management.files import work
from campaigns.management.files.jobs import find_job, request_copy, request_import, request_look
from campaigns.management.files.sentences import read_sentence
from campaigns.management.recipients import Reading
from campaigns.store.campaigns import lock_campaigns
from campaigns.store.database import DatabaseError, LockTimeout, limit_lock_waits
from campaigns.store.files import jobs as store
from campaigns.store.files.jobs import JobKind
from tests.store.rows import fetch, hold
from tests.support.actors import TESTER


def test_a_job_whose_data_postgres_refuses_ends_at_once(database, monkeypatch, caplog, ask_import, do_all):
    job_id = ask_import()
    monkeypatch.setitem(work._WORK, JobKind.ADD, lambda connection, *_: connection.execute("SELECT 1 / 0"))
    assert do_all() == 1
    job = find_job(database, job_id)
    assert (job.status, job.tries) == ("failed", 1)
    assert [each.event for each in caplog.records if hasattr(each, "event")] == ["file_job_error"]


def test_jobs_of_one_campaign_are_done_in_their_order(database, draft, upload, do_all):
    first, second = (request_look(database, draft, upload(), actor=TESTER) for _ in range(2))
    held, may_commit = hold(database, lambda connection: store.lock_due_job(connection).id)
    assert database.run(store.lock_due_job) is None, "the other process waits for the first job of the campaign"
    may_commit.set()
    assert held.result() == first
    do_all()
    assert find_job(database, second).status == "done"


def test_a_job_that_was_begun_before_lets_other_jobs_go_first(database, draft, upload, other_draft):
    failed = request_look(database, draft, upload(), actor=TESTER)
    job_id = request_look(database, other_draft, upload(), actor=TESTER)
    database.run(store.begin_job, failed)
    assert database.run(store.lock_due_job).id == job_id


def test_two_processes_never_do_the_same_job(database, ask_import, do_all):
    for _ in range(6):
        ask_import(replaces=True)
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(do_all())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 6
    assert fetch(database, "SELECT tries, count(*) FROM file_job_progress GROUP BY 1") == [(1, 6)]
    assert fetch(database, "SELECT count(*) FROM messages") == [2]


def test_a_job_whose_process_dies_is_done_by_another_and_not_for_ever(database, monkeypatch, ask_import, do_all):
    job_id = ask_import()

    class Died(BaseException):
        """The end of the process: nothing of ours handles it, and Postgres ends the transaction."""

    def die(*_arguments):
        raise Died

    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, die)
        for _ in range(2):
            with pytest.raises(Died):
                work.do_next_job(database, secret_key=None, overlap_days=7)
    assert find_job(database, job_id).status == "due"
    do_all()
    assert find_job(database, job_id).status == "done"

    job_id = ask_import()
    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, die)
        for _ in range(3):
            with pytest.raises(Died):
                work.do_next_job(database, secret_key=None, overlap_days=7)
        do_all()
    job = find_job(database, job_id)
    assert (job.status, job.tries) == ("failed", 4)
    assert "3 times" in str(read_sentence(job.result["sentence"]))


def wait_in_postgres(connection, _tools):
    connection.execute("SELECT pg_sleep(60)")


def wait_in_python(_connection, tools):
    tools.report(0.5)


@pytest.mark.parametrize("wait", [wait_in_postgres, wait_in_python])
def test_a_process_that_is_told_to_stop_gives_its_job_back_without_a_try(
    database, monkeypatch, wait, ask_import, do_all
):
    job_id = ask_import()
    add, stop = work._WORK[JobKind.ADD], threading.Event()

    def add_and_stop(connection, job, tools):
        add(connection, job, tools)
        stop.set()
        wait(connection, tools)

    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, add_and_stop)
        for _ in range(4):
            stop.clear()
            assert not work.do_next_job(database, secret_key=None, overlap_days=7, stop=stop)
    job = find_job(database, job_id)
    assert (job.status, job.tries) == ("due", 0)
    assert fetch(database, "SELECT count(*) FROM messages") == [0]
    do_all()
    assert (find_job(database, job_id).status, find_job(database, job_id).tries) == ("done", 1)


def test_a_wait_for_the_lock_of_somebody_else_counts_as_no_try(database, draft, monkeypatch, ask_import, do_all):
    """A command that imports a file into the campaign holds its lock for minutes."""
    job_id = ask_import()
    owner, may_commit = hold(database, lambda connection: lock_campaigns(connection, [draft]))
    add = work._WORK[JobKind.ADD]

    def add_soon(connection, job, tools):
        limit_lock_waits(connection, 0.01)
        return add(connection, job, tools)

    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, add_soon)
        for _ in range(4):
            with pytest.raises(LockTimeout):
                do_all()
    assert (find_job(database, job_id).status, find_job(database, job_id).tries) == ("due", 0)
    may_commit.set()
    owner.result()
    do_all()
    assert find_job(database, job_id).status == "done"


def test_work_goes_on_if_its_progress_cannot_be_written(database, monkeypatch, ask_import, do_all):
    def fail(*_arguments):
        raise DatabaseError("not now")

    monkeypatch.setattr(work, "_PART_SECONDS", 0)
    monkeypatch.setattr(store, "write_part", fail)
    job_id = ask_import()
    do_all()
    assert find_job(database, job_id).status == "done"


def test_an_error_of_ours_ends_the_job_and_is_logged(database, monkeypatch, caplog, ask_import, do_all):
    job_id = ask_import()
    monkeypatch.setitem(work._WORK, JobKind.ADD, lambda *_arguments: 1 / 0)
    assert do_all() == 1
    assert find_job(database, job_id).status == "failed"
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "file_job_error"]
    assert record.exc_info[0] is ZeroDivisionError


def test_a_copy_is_a_job_whose_result_is_the_draft(database, draft, ask_import, do_all):
    ask_import()
    hours = (dt.time(20), dt.time(8, 30))
    job_id = request_copy(
        database, draft, actor=TESTER, name="Again", statuses=[Status.PENDING, Status.FAILED], quiet_hours=hours
    )
    do_all()
    job = find_job(database, job_id)
    copied = "SELECT name, recipient_count, window_from, window_to FROM campaigns WHERE id = %s"
    assert fetch(database, copied, job.result["campaign_id"]) == [("Again", 2, hours[1], hours[0])]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.copy'") == [TESTER.name]


def test_a_copy_that_is_refused_says_why(database, draft, do_all):
    job_id = request_copy(database, draft, actor=TESTER, name="a\nb", statuses=[], quiet_hours=None)
    do_all()
    job = find_job(database, job_id)
    assert (job.status, read_sentence(job.result["sentence"]).code) == ("refused", "campaign_name_invalid")


def test_the_same_request_again_is_the_same_job_until_it_is_done(database, draft, upload, do_all):
    upload_id, other_id = upload(), upload()
    reading, other = Reading(), Reading(region="US")

    def ask(upload_id=upload_id, reading=reading):
        return request_import(database, draft, upload_id, reading, actor=TESTER, replaces=True)

    first = ask()
    assert ask() == first
    others = [ask(reading=other), ask(other_id), ask()]
    assert len({first, *others}) == 4, "the last of all wishes is done last"
    do_all()
    assert ask() not in {first, *others}
