"""A list is imported by a job, which tells the result or why there is none."""

from __future__ import annotations

import pytest

from campaigns.domain.recipients import Choice
from campaigns.domain.statement import Refusal, quote
from campaigns.language import load
from campaigns.management.drafts.imports import add_recipients_in, replace_recipients
from campaigns.management.files import work
from campaigns.management.files.jobs import find_import, find_job, read_download, request_import, request_suppressions
from campaigns.management.files.reports import read_report
from campaigns.management.files.sentences import read_sentence
from campaigns.management.recipients import Reading
from campaigns.store.database import limit_lock_waits
from campaigns.store.files.jobs import JobKind
from tests.management.files.lists import LIST
from tests.store.rows import fetch, hold
from tests.support.actors import TESTER


def test_an_import_is_done_once_and_tells_its_result(database, draft, upload, do_all):
    reading = Reading(choice=Choice(phone="phone", mapping={"1": "name"}))
    job_id = request_import(database, draft, upload(), reading, actor=TESTER)
    assert find_job(database, job_id).status == "due"
    assert do_all() == 1
    job = find_job(database, job_id)
    assert job.status == "done"
    assert (job.result["recipient_count"], job.result["rejected_count"]) == (2, 1)
    assert job.result["first"]["body"] == "Hi Ana!"
    assert fetch(database, "SELECT phone, variables FROM messages ORDER BY id") == [
        ("+5511999990001", ["Ana"]),
        ("+5511999990002", ["Bia"]),
    ]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.import'") == [TESTER.name]
    assert find_import(database, draft).id == job_id


def test_a_refusal_names_the_file_in_each_language_and_changes_nothing(database, ask_import, do_all):
    job_id = ask_import("name\nAna\n")
    do_all()
    job = find_job(database, job_id)
    assert job.status == "refused"
    refusal = read_sentence(job.result["sentence"])
    assert str(refusal).startswith("people.csv: no column of the header (name) is named phone")
    assert refusal.fill(quote, load("pt_BR")).startswith("people.csv: nenhuma coluna")
    assert refusal.code == "phone_column_missing"
    assert fetch(database, "SELECT count(*) FROM messages") == [0]


@pytest.mark.parametrize("row", ["12\0,Ana", "+5511999990001,A\0na", "+5511999990001,A\x1bna", "+55119999,\0"])
def test_a_cell_with_a_control_character_is_shown_as_an_escape(database, row, ask_import, do_all):
    rows = f"phone,name\n+5511999990009,Bia\n{row}\n"
    job_id = ask_import(rows)
    do_all()
    job = find_job(database, job_id)
    assert job.status == "done"
    (rejected,) = read_report(job.result).rejected
    assert rejected.row_number == 3
    assert rejected.cell.isprintable()


def test_a_refusal_may_quote_what_postgres_cannot_store(database, monkeypatch, ask_import, do_all):
    def refuse(*_arguments):
        raise Refusal("some_code", "The cell {cell} is wrong.", cell="a\0b\ud800")

    job_id = ask_import()
    monkeypatch.setitem(work._WORK, JobKind.ADD, refuse)
    assert do_all() == 1
    assert str(read_sentence(find_job(database, job_id).result["sentence"])) == r"The cell a\x00b\ud800 is wrong."


def test_the_rejected_rows_are_a_file_with_their_cells_and_reasons(database, ask_import, do_all):
    rows = "phone,name\n123,Caio\n+5511999990001,Ana\n+5511999990002,\n+5511999990001,Bis\nx,=1\n"
    job_id = ask_import(rows, replaces=True, language="pt_BR")
    do_all()
    report = read_report(find_job(database, job_id).result)
    assert (report.recipient_count, report.duplicate_count, report.rejected_count) == (1, 1, 3)
    assert [(each.row_number, each.column_name, each.cell) for each in report.rejected] == [
        (2, "phone", "123"),
        (4, "name", ""),
        (6, "phone", "x"),
    ]
    lines = b"".join(read_download(database, job_id)).decode("utf-8-sig").splitlines()
    assert lines[0] == "phone;name;linha na lista;coluna;o que está errado"
    assert lines[1].startswith("123;Caio;2;phone;não é um telefone válido")
    assert lines[2].startswith("+5511999990002;;4;name;está vazi")
    assert lines[3].startswith("x;'=1;6;phone;")


def test_a_file_of_opt_outs_is_read_by_a_job_and_may_be_read_again(database, upload, do_all):
    upload_id = upload("telefone\n11 98765-0021\n11 98765-0022\nabc\n", "saíram.csv")
    for added, known in ((2, 0), (0, 2)):
        job_id = request_suppressions(database, upload_id, actor=TESTER, phone_column=None, region="BR")
        do_all()
        result = find_job(database, job_id).result
        assert (result["added_count"], result["known_count"], result["rejected_count"]) == (added, known, 1)
        ((row, column, reason),) = result["problems"]
        assert (row, column) == (4, "telefone")
        assert reason.startswith("has words in it")
    assert fetch(database, "SELECT DISTINCT source, detail FROM suppressions") == [("import", "saíram.csv")]


def test_a_failed_import_of_opt_outs_does_not_say_that_nothing_was_changed(database, upload, monkeypatch, do_all):
    upload_id = upload("11 98765-0021\n")
    job_id = request_suppressions(database, upload_id, actor=TESTER, phone_column=None, region="BR")
    monkeypatch.setitem(work._WORK, JobKind.SUPPRESS, lambda *_arguments: 1 / 0)
    do_all()
    assert "Add the file again" in str(read_sentence(find_job(database, job_id).result["sentence"]))


def test_an_import_leaves_the_table_to_autovacuum_and_renews_the_statistics(database, draft, tmp_path):
    (tmp_path / "people.csv").write_text(LIST)
    fetch(database, "ANALYZE messages")
    reading = Reading(choice=Choice(phone="phone", mapping={"1": "name"}))

    def run(connection):
        add_recipients_in(connection, draft, tmp_path / "people.csv", reading, TESTER, secret_key=None)

    importing, may_commit = hold(database, run)

    def analyze(connection):
        limit_lock_waits(connection, 0.05)
        connection.execute("LOCK TABLE messages IN SHARE UPDATE EXCLUSIVE MODE")

    database.run(analyze)
    may_commit.set()
    importing.result()
    replace_recipients(database, draft, tmp_path / "people.csv", reading, actor=TESTER)
    assert fetch(database, "SELECT reltuples FROM pg_class WHERE relname = 'messages'") == [2]


def test_an_import_is_compared_with_other_campaigns_without_its_locks(
    database, draft, monkeypatch, ask_import, other_draft
):
    ask_import()
    job_id = ask_import(into=other_draft)
    real, seen = work.find_overlaps, []

    def find(connection, campaign_id, *, days):
        locked = "SELECT count(*) FROM pg_locks WHERE relation = 'forgotten'::regclass AND mode = 'ShareLock'"
        seen.extend(fetch(database, locked))
        assert read_report(find_job(database, job_id).result).overlaps is None
        return real(connection, campaign_id, days=days)

    work.do_next_job(database, secret_key=None, overlap_days=7)
    monkeypatch.setattr(work, "find_overlaps", find)
    work.do_next_job(database, secret_key=None, overlap_days=7)
    assert seen == [0]
    (shared,) = read_report(find_job(database, job_id).result).overlaps
    assert (shared.campaign_id, shared.shared_count, shared.has_same_file) == (draft, 2, True)
