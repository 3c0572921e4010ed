"""Retention, a forgotten person and a discarded draft delete files, but none on which a job works."""

from __future__ import annotations

import pytest

from campaigns.domain.statement import Refusal
from campaigns.management.drafts.discards import discard_draft
from campaigns.management.files import jobs, work
from campaigns.management.files.jobs import (
    request_copy,
    request_export,
    request_look,
    request_optouts_export,
    request_suppressions,
)
from campaigns.management.files.uploads import begin_upload, discard_upload
from campaigns.privacy import erasure
from campaigns.privacy.erasure import forget
from campaigns.privacy.retention import retain_files
from campaigns.secrets import make_key
from campaigns.store.campaigns import lock_campaigns
from campaigns.store.database import limit_lock_waits
from campaigns.store.files import jobs as store
from campaigns.store.files.jobs import JobKind
from campaigns.store.people import lock_forgotten, lock_people
from tests.simulator.far_end import wait_for
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

KEY = make_key()


def test_retention_deletes_old_files_and_leaves_files_at_work(database, draft, upload):
    old_upload, new_upload, busy_upload = upload(), upload(), upload()
    looked = request_look(database, draft, busy_upload, actor=TESTER)
    old_export, new_export = (request_export(database, draft, actor=TESTER) for _ in range(2))
    fetch(database, f"UPDATE uploads SET created_at = now() - interval '8 days' WHERE id <> {new_upload}")
    old_jobs = "UPDATE file_jobs SET created_at = now() - interval '8 days' WHERE id = ANY (%s)"
    fetch(database, old_jobs, [looked, old_export])
    held, may_commit = hold(database, lambda connection: store.lock_due_job(connection).id)
    retain_files(database)
    may_commit.set()
    assert held.result() == looked
    assert sorted(fetch(database, "SELECT id FROM uploads")) == [new_upload, busy_upload]
    assert sorted(fetch(database, "SELECT id FROM file_jobs")) == [looked, new_export]
    assert fetch(database, "SELECT count(*) FROM uploads WHERE id = %s", old_upload) == [0]


def test_uploads_of_a_campaign_that_is_no_draft_any_more_are_deleted(database, ask_import, do_all):
    ask_import()
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [1]
    do_all()
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [1]
    fetch(database, "UPDATE campaigns SET status = 'cancelled'")
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_to_forget_a_person_deletes_all_files(database, draft, ask_import, do_all):
    ask_import()
    request_export(database, draft, actor=TESTER)
    do_all()
    kept = begin_upload(database, "people.csv", actor=TESTER)
    forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)
    for table in ("uploads", "upload_pieces", "file_jobs", "file_job_pieces"):
        assert fetch(database, f"SELECT count(*) FROM {table}") == [0], table
    with pytest.raises(Refusal, match="deleted after 7 days"):
        discard_upload(database, kept, actor=TESTER)


def test_to_forget_a_person_waits_long_for_a_job(database, work_on, open_database, ask_import):
    ask_import()
    finish = work_on()
    impatient = open_database(statement_seconds=0.4)
    forgetting = Beside(forget, impatient, "+5511999990001", secret_key=KEY, actor=TESTER)
    wait_for(lambda: fetch(database, _WAITS_LONG) == [1])
    finish()
    forgetting.result()
    assert fetch(database, "SELECT count(*) FROM file_jobs") == [0]


_WAITS_LONG = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    " AND clock_timestamp() - query_start > interval '1 second'"
)


def test_while_a_person_waits_to_be_forgotten_a_job_gets_its_locks(database, work_on, ask_import):
    ask_import()
    finish = work_on()
    forgetting = Beside(forget, database, "+5511999990001", secret_key=KEY, actor=TESTER)
    await_blocked(database)

    def take_locks(connection):
        limit_lock_waits(connection, 0.05)
        lock_forgotten(connection)
        lock_people(connection, is_shared=True)  # as a webhook does

    finish(take_locks)
    forgetting.result()


def test_no_job_begins_while_a_person_waits_to_be_forgotten(database, work_on, ask_import, do_all, other_draft):
    ask_import()
    ask_import(into=other_draft)
    finish = work_on()
    forgetting = Beside(forget, database, "+5511999990001", secret_key=KEY, actor=TESTER)
    await_blocked(database)
    assert do_all() == 0
    finish()
    forgetting.result()


def test_to_forget_a_person_is_refused_if_a_job_takes_too_long(database, work_on, monkeypatch, ask_import):
    monkeypatch.setattr(erasure, "_MAX_WAIT_SECONDS", 0.1)
    ask_import()
    finish = work_on()
    with pytest.raises(Refusal, match="A list is being imported"):
        forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)
    assert fetch(database, "SELECT recipient_key FROM suppressions") == ["+5511999990001"]
    finish()
    forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)


def test_retention_deletes_jobs_about_opt_outs_and_copies_after_three_days(database, draft, upload):
    upload_id = upload("11 98765-0021\n")
    request_suppressions(database, upload_id, actor=TESTER, phone_column=None, region="BR")
    due = request_suppressions(database, upload("11 98765-0022\n"), actor=TESTER, phone_column=None, region="BR")
    request_optouts_export(database, [], actor=TESTER, time_zone="UTC")
    request_copy(database, draft, actor=TESTER, name="Again", statuses=[], quiet_hours=None)
    for _ in range(4):
        work.do_next_job(database, secret_key=None, overlap_days=7)
    fetch(database, "UPDATE file_jobs SET status = 'due', result = NULL, ended_at = NULL WHERE id = %s", due)
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM file_jobs") == [4]
    fetch(database, "UPDATE file_jobs SET created_at = now() - interval '4 days'")
    retain_files(database)
    assert fetch(database, "SELECT id FROM file_jobs") == [due]
    assert fetch(database, "SELECT count(*) FROM uploads") == [1]


def test_a_discard_waits_for_a_job_without_a_lock_that_the_job_needs(database, draft, work_on, ask_import):
    ask_import()
    finish = work_on()
    discarding = Beside(discard_draft, database, draft, actor=TESTER)
    await_blocked(database)

    def lock(connection):
        limit_lock_waits(connection, 0.05)
        lock_campaigns(connection, [draft])

    finish(lock)
    discarding.result()
    assert fetch(database, "SELECT count(*) FROM file_jobs") == [0]


def test_a_discard_is_refused_while_a_job_takes_long(database, draft, work_on, open_database, ask_import):
    ask_import()
    finish = work_on()
    with pytest.raises(Refusal, match=r"is being read\. Nothing was deleted"):
        discard_draft(open_database(statement_seconds=0.2), draft, actor=TESTER)
    finish()
    discard_draft(database, draft, actor=TESTER)


def test_retention_leaves_an_old_upload_for_which_work_is_asked_at_that_moment(database, draft, upload):
    upload_id = upload()
    fetch(database, "UPDATE uploads SET created_at = now() - interval '8 days'")

    def ask(connection):
        return jobs._request(connection, JobKind.LOOK, draft, TESTER, request={}, upload_id=upload_id)

    asking, may_commit = hold(database, ask)
    retaining = Beside(retain_files, database)
    retaining.result()
    may_commit.set()
    job_id = asking.result()
    assert fetch(database, "SELECT id FROM file_jobs") == [job_id]
