"""Uploads in pieces, and work with whole files: each done once, or told why not."""

from __future__ import annotations

import datetime as dt
import io
import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest
import xlsxwriter

from campaigns.domain.message import Status
from campaigns.domain.recipients import Choice, read_header
from campaigns.domain.statement import Refusal, quote
from campaigns.domain.users.actor import Actor, ActorKind, Surface
from campaigns.language import load
from campaigns.management.accounts import add_account, add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign, draft_campaign
from campaigns.management.drafts.discards import discard_draft
from campaigns.management.drafts.imports import add_recipients_in, replace_recipients
from campaigns.management.files import jobs, looks, work
from campaigns.management.files.jobs import (
    find_job,
    find_own_job,
    list_downloads,
    list_jobs,
    read_download,
    request_copy,
    request_export,
    request_import,
    request_look,
    request_optouts_export,
    request_suppressions,
)
from campaigns.management.files.looks import load_look
from campaigns.management.files.reports import read_report
from campaigns.management.files.sentences import read_sentence
from campaigns.management.files.uploads import add_piece, begin_upload, discard_upload, end_upload, find_upload
from campaigns.management.recipients import Reading
from campaigns.management.suppressions import suppress_phones
from campaigns.privacy import erasure
from campaigns.privacy.erasure import forget
from campaigns.privacy.retention import retain_files
from campaigns.secrets import make_key
from campaigns.store.campaigns import lock_campaigns
from campaigns.store.database import DatabaseError, LockTimeout, limit_lock_waits
from campaigns.store.files import jobs as store
from campaigns.store.files.jobs import JobKind
from campaigns.store.people import lock_forgotten, lock_people
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import Beside, await_blocked, fetch, hold
from tests.support.actors import TESTER

KEY = make_key()
LIST = "phone,name\n+5511999990001,Ana\n+5511999990002,Bia\n123,Caio\n"
MOST = 10_000_000
LONG_NAMES = ["x" * 500 + ".xlsx", "я" * 150 + ".csv", "😀." + "я" * 150]


@pytest.fixture
def draft(database):
    add_account(database, "sales", phone_number_id="1", waba_id="1", token="t", secret_key=KEY, actor=TESTER)
    add_template(database, "promo", language="en", body="Hi {{1}}!", actor=TESTER)
    asked = CampaignChanges(name="Sale", template="promo:en", accounts=["sales"])
    return draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id


@pytest.fixture
def upload(database):
    def upload_one(text=LIST, name="people.csv"):
        upload_id = begin_upload(database, name, actor=TESTER)
        data = text.encode()
        for number, start in enumerate(range(0, len(data), 20), start=1):
            add_piece(database, upload_id, number, data[start : start + 20], max_bytes=MOST)
        return end_upload(database, upload_id, actor=TESTER).id

    return upload_one


def do_all(database):
    count = 0
    while work.do_next_job(database, secret_key=None, overlap_days=7):
        count += 1
    return count


def test_an_upload_is_whole_only_with_all_its_pieces(database):
    upload_id = begin_upload(database, r"C:\Users\ana\lista novembro.csv", actor=TESTER)
    add_piece(database, upload_id, 1, b"phone,", max_bytes=MOST)
    with pytest.raises(Refusal, match="missing before piece 3"):
        add_piece(database, upload_id, 3, b"x", max_bytes=MOST)
    add_piece(database, upload_id, 2, b"name\n", max_bytes=MOST)
    add_piece(database, upload_id, 2, b"name\n", max_bytes=MOST)  # repeated after a lost answer
    upload = end_upload(database, upload_id, actor=TESTER)
    assert (upload.name, upload.size) == ("lista novembro.csv", 11)
    assert fetch(database, "SELECT sha256 = sha256(convert_to('phone,name' || E'\\n', 'UTF8')) FROM uploads") == [True]
    assert fetch(database, "SELECT what, target_id FROM audit_events WHERE what LIKE 'upload%%'") == [
        ("upload.add", upload_id)
    ]


@pytest.mark.parametrize("name", ["", "..", "a/..", "/", "\x00", "..\\..\\etc\\passwd", *LONG_NAMES])
def test_the_name_of_an_upload_is_the_name_of_one_file(database, name):
    upload_id = begin_upload(database, name, actor=TESTER)
    kept = find_upload(database, upload_id).name
    assert 0 < len(kept.encode()) <= 200
    assert kept.endswith(".xlsx") == name.endswith(".xlsx")
    assert not {"/", "\\", "\x00"} & set(kept.replace("\\x00", ""))
    assert kept not in {".", ".."}


def test_a_file_that_is_too_large_or_empty_is_refused(database):
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    with pytest.raises(Refusal, match="is empty"):
        end_upload(database, upload_id, actor=TESTER)
    add_piece(database, upload_id, 1, b"x" * 60, max_bytes=100)
    with pytest.raises(Refusal, match="more than"):
        add_piece(database, upload_id, 2, b"x" * 60, max_bytes=100)
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_a_process_that_is_killed_leaves_no_list_on_the_disk(database, database_url, upload, tmp_path):
    upload_id = upload()
    code = (
        "import os, sys\n"
        "from campaigns.management.files.uploads import spooled\n"
        "from campaigns.store.database import Database\n"
        "from campaigns.store.files.uploads import find_upload\n"
        "def work(connection):\n"
        "    with spooled(connection, find_upload(connection, int(sys.argv[2]))) as path:\n"
        "        print(path.name, path.read_text(), end='', flush=True)\n"
        "        os.kill(os.getpid(), 9)\n"
        "database = Database(sys.argv[1])\n"
        "database.open()\n"
        "database.run(work)\n"
    )
    killed = subprocess.run(
        [sys.executable, "-c", code, database_url, str(upload_id)],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        check=False,
    )
    assert (killed.returncode, killed.stdout.decode()) == (-9, f"people.csv {LIST}")
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []


def test_a_last_piece_that_is_repeated_deletes_nothing(database):
    upload_id = begin_upload(database, "people.csv", actor=TESTER)
    add_piece(database, upload_id, 1, b"x" * 60, max_bytes=100)
    add_piece(database, upload_id, 2, b"y" * 40, max_bytes=100)
    add_piece(database, upload_id, 2, b"y" * 40, max_bytes=100)
    assert end_upload(database, upload_id, actor=TESTER).size == 100


def test_an_import_is_done_once_and_tells_its_result(database, draft, upload):
    reading = Reading(choice=Choice(phone="phone", mapping={"1": "name"}))
    job_id = request_import(database, draft, upload(), reading, actor=TESTER)
    assert find_job(database, job_id).status == "due"
    assert do_all(database) == 1
    job = find_job(database, job_id)
    assert job.status == "done"
    assert (job.result["recipient_count"], job.result["rejected_count"]) == (2, 1)
    assert job.result["first"]["body"] == "Hi Ana!"
    assert fetch(database, "SELECT phone, variables FROM messages ORDER BY id") == [
        ("+5511999990001", ["Ana"]),
        ("+5511999990002", ["Bia"]),
    ]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.import'") == [TESTER.name]
    assert list_jobs(database, draft)[0].id == job_id


def test_a_refusal_names_the_file_in_each_language_and_changes_nothing(database, draft, upload):
    job_id = request_import(database, draft, upload("name\nAna\n"), Reading(), actor=TESTER)
    do_all(database)
    job = find_job(database, job_id)
    assert job.status == "refused"
    refusal = read_sentence(job.result["sentence"])
    assert str(refusal).startswith("people.csv: no column of the header (name) is named phone")
    assert refusal.fill(quote, load("pt_BR")).startswith("people.csv: nenhuma coluna")
    assert refusal.code == "phone_column_missing"
    assert fetch(database, "SELECT count(*) FROM messages") == [0]


def look(database, draft, upload_id, reading=None):
    job_id = request_look(database, draft, upload_id, reading, actor=TESTER)
    do_all(database)
    return load_look(database, find_job(database, job_id))


def test_a_look_shows_the_header_the_first_rows_and_the_guess(database, draft, upload):
    seen = look(database, draft, upload("Lista de novembro;\n\nTelefone;1\n+5511999990001;Ana\n"))
    assert (seen.header_row, seen.names) == (3, ["Telefone", "1"])
    assert seen.rows == [["+5511999990001", "Ana"]]
    assert (seen.phone, seen.filled, seen.problem) == ("Telefone", {"1": "1"}, None)


def test_a_look_at_columns_that_do_not_fit_shows_them_with_the_problem(database, draft, upload):
    seen = look(database, draft, upload("Numero do cliente,a,b,1\n+5511999990001,1,2,3\n"))
    assert seen.names == ["Numero do cliente", "a", "b", "1"]
    assert (seen.phone, seen.filled) == ("Numero do cliente", {"1": "1"}), "each column alone is guessed"
    assert seen.problem.code == "phone_column_missing"


def test_a_look_at_many_columns_reads_their_header_a_few_times(database, draft, upload, monkeypatch):
    reads = []
    monkeypatch.setattr(looks, "read_header", lambda *values, **named: reads.append(1) or read_header(*values, **named))
    names = ",".join(f"campo {letter}{other}" for letter in "bcdefghij" for other in "klmnopqrst")
    seen = look(database, draft, upload(f"{names}\n{',' * names.count(',')}x\n"))
    assert (seen.phone, seen.filled, seen.problem.code) == (None, {}, "phone_column_missing")
    assert len(reads) == 4, "for the whole header, for the phone, and twice for the one variable"


@pytest.mark.parametrize("header", ["1,nome,cidade", "nome,1,cidade", "nome,nome,1"])
def test_a_look_finds_the_column_of_a_variable_without_a_column_for_the_phones(database, draft, upload, header):
    seen = look(database, draft, upload(f"{header}\na,b,c\n"))
    assert (seen.phone, seen.filled) == (None, {"1": "1"})


def test_a_look_guesses_for_the_template_that_the_draft_has_now(database, draft, upload):
    job_id = request_look(database, draft, upload("celular,nome,1\n+5511999990001,Ana,x\n"), actor=TESTER)
    do_all(database)
    add_template(database, "other", language="en", body="Hello {{nome}}!", actor=TESTER)
    change_campaign(database, draft, CampaignChanges(template="other:en"), actor=TESTER)
    seen = load_look(database, find_job(database, job_id))
    assert ([each.name for each in seen.parameters], seen.filled) == (["nome"], {"nome": "nome"})


def test_a_look_at_several_sheets_waits_for_a_choice(database, draft):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet("Antiga").write_row(0, 0, ["telefone", "1"])
        sheet = book.add_worksheet("Novembro")
        sheet.write_row(0, 0, ["celular", "1"])
        sheet.write_row(1, 0, ["+5511999990001", "Ana"])
    upload_id = begin_upload(database, "people.xlsx", actor=TESTER)
    add_piece(database, upload_id, 1, buffer.getvalue(), max_bytes=MOST)
    end_upload(database, upload_id, actor=TESTER)
    seen = look(database, draft, upload_id)
    assert (seen.sheets, seen.names) == (["Antiga", "Novembro"], [])
    seen = look(database, draft, upload_id, Reading(sheet="Novembro"))
    assert (seen.names, seen.rows) == (["celular", "1"], [["+5511999990001", "Ana"]])


def test_a_look_shows_control_characters_as_escapes(database, draft, upload):
    seen = look(database, draft, upload("phone,1\n+5511999990001,A\0na\n+5511999990002,B\u202eia\n"))
    assert seen.rows == [["+5511999990001", r"A\x00na"], ["+5511999990002", r"B\u202eia"]]


@pytest.mark.parametrize("row", ["12\0,Ana", "+5511999990001,A\0na", "+5511999990001,A\x1bna", "+55119999,\0"])
def test_a_cell_with_a_control_character_is_shown_as_an_escape(database, draft, upload, row):
    rows = f"phone,name\n+5511999990009,Bia\n{row}\n"
    job_id = request_import(database, draft, upload(rows), Reading(), actor=TESTER)
    do_all(database)
    job = find_job(database, job_id)
    assert job.status == "done"
    (rejected,) = read_report(job.result).rejected
    assert rejected.row_number == 3
    assert rejected.cell.isprintable()


def test_a_header_with_a_control_character_is_refused_or_read(database, draft, upload):
    seen = look(database, draft, upload("pho\0ne,na\0me\n" + "+5511999990001,Ana\n" * 3))
    assert seen.names == ["pho ne", "na me"]
    job_id = request_import(database, draft, upload("a\0b,c\0d\n" + "1,2\n" * 20), Reading(), actor=TESTER)
    do_all(database)
    assert find_job(database, job_id).status == "refused"


def test_a_refusal_may_quote_what_postgres_cannot_store(database, draft, upload, monkeypatch):
    def refuse(*_arguments):
        raise Refusal("some_code", "The cell {cell} is wrong.", cell="a\0b\ud800")

    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    monkeypatch.setitem(work._WORK, JobKind.ADD, refuse)
    assert do_all(database) == 1
    assert str(read_sentence(find_job(database, job_id).result["sentence"])) == r"The cell a\x00b\ud800 is wrong."


def test_a_job_whose_data_postgres_refuses_ends_at_once(database, draft, upload, monkeypatch, caplog):
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    monkeypatch.setitem(work._WORK, JobKind.ADD, lambda connection, *_: connection.execute("SELECT 1 / 0"))
    assert do_all(database) == 1
    job = find_job(database, job_id)
    assert (job.status, job.tries) == ("failed", 1)
    assert [each.event for each in caplog.records if hasattr(each, "event")] == ["file_job_error"]


def test_the_rejected_rows_are_a_file_with_their_cells_and_reasons(database, draft, upload):
    rows = "phone,name\n123,Caio\n+5511999990001,Ana\n+5511999990002,\n+5511999990001,Bis\nx,=1\n"
    job_id = request_import(database, draft, upload(rows), Reading(), actor=TESTER, replaces=True, language="pt_BR")
    do_all(database)
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


def test_an_export_is_a_file_in_pieces(database, draft, upload):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    job_id = request_export(database, draft, actor=TESTER, delimiter=";")
    with pytest.raises(Refusal, match="not written yet"):
        read_download(database, job_id)
    do_all(database)
    lines = b"".join(read_download(database, job_id)).decode("utf-8-sig").splitlines()
    assert lines[0].startswith("phone;1;status;")
    assert [line.partition(";")[0] for line in lines[1:]] == ["+5511999990001", "+5511999990002"]
    assert find_job(database, job_id).result["row_count"] == 2
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [1]


@pytest.mark.parametrize("begins", [False, True])
def test_a_download_that_is_deleted_meanwhile_breaks_off(database, draft, upload, begins):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    job_id = request_export(database, draft, actor=TESTER)
    do_all(database)
    pieces = read_download(database, job_id)
    if begins:
        next(pieces)
    fetch(database, "DELETE FROM file_jobs WHERE id = %s", job_id)
    with pytest.raises(LookupError):
        next(pieces)


def test_jobs_of_one_campaign_are_done_in_their_order(database, draft, upload):
    first, second = (request_look(database, draft, upload(), actor=TESTER) for _ in range(2))
    held, may_commit = hold(database, lambda connection: store.lock_due_job(connection).id)
    assert database.run(store.lock_due_job) is None, "the other process waits for the first job of the campaign"
    may_commit.set()
    assert held.result() == first
    do_all(database)
    assert find_job(database, second).status == "done"


def test_a_job_that_was_begun_before_lets_other_jobs_go_first(database, draft, upload):
    failed = request_look(database, draft, upload(), actor=TESTER)
    asked = CampaignChanges(name="Other", template="promo:en", accounts=["sales"])
    other = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    job_id = request_look(database, other, upload(), actor=TESTER)
    database.run(store.begin_job, failed)
    assert database.run(store.lock_due_job).id == job_id


def test_two_processes_never_do_the_same_job(database, draft, upload):
    for _ in range(6):
        request_import(database, draft, upload(), Reading(), actor=TESTER, replaces=True)
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(do_all(database))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(counts) == 6
    assert fetch(database, "SELECT tries, count(*) FROM file_job_progress GROUP BY 1") == [(1, 6)]
    assert fetch(database, "SELECT count(*) FROM messages") == [2]


def test_a_job_whose_process_dies_is_done_by_another_and_not_for_ever(database, draft, upload, monkeypatch):
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)

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
    do_all(database)
    assert find_job(database, job_id).status == "done"

    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, die)
        for _ in range(3):
            with pytest.raises(Died):
                work.do_next_job(database, secret_key=None, overlap_days=7)
        do_all(database)
    job = find_job(database, job_id)
    assert (job.status, job.tries) == ("failed", 4)
    assert "3 times" in str(read_sentence(job.result["sentence"]))


def wait_in_postgres(connection, _tools):
    connection.execute("SELECT pg_sleep(60)")


def wait_in_python(_connection, tools):
    tools.report(0.5)


@pytest.mark.parametrize("wait", [wait_in_postgres, wait_in_python])
def test_a_process_that_is_told_to_stop_gives_its_job_back_without_a_try(database, draft, upload, monkeypatch, wait):
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
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
    do_all(database)
    assert (find_job(database, job_id).status, find_job(database, job_id).tries) == ("done", 1)


def test_a_wait_for_the_lock_of_somebody_else_counts_as_no_try(database, draft, upload, monkeypatch):
    """A command that imports a file into the campaign holds its lock for minutes."""
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    owner, may_commit = hold(database, lambda connection: lock_campaigns(connection, [draft]))
    add = work._WORK[JobKind.ADD]

    def add_soon(connection, job, tools):
        limit_lock_waits(connection, 0.01)
        return add(connection, job, tools)

    with monkeypatch.context() as patch:
        patch.setitem(work._WORK, JobKind.ADD, add_soon)
        for _ in range(4):
            with pytest.raises(LockTimeout):
                do_all(database)
    assert (find_job(database, job_id).status, find_job(database, job_id).tries) == ("due", 0)
    may_commit.set()
    owner.result()
    do_all(database)
    assert find_job(database, job_id).status == "done"


def test_work_goes_on_if_its_progress_cannot_be_written(database, draft, upload, monkeypatch):
    def fail(*_arguments):
        raise DatabaseError("not now")

    monkeypatch.setattr(work, "_PART_SECONDS", 0)
    monkeypatch.setattr(store, "write_part", fail)
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    do_all(database)
    assert find_job(database, job_id).status == "done"


def test_an_error_of_ours_ends_the_job_and_is_logged(database, draft, upload, monkeypatch, caplog):
    job_id = request_import(database, draft, upload(), Reading(), actor=TESTER)
    monkeypatch.setitem(work._WORK, JobKind.ADD, lambda *_arguments: 1 / 0)
    assert do_all(database) == 1
    assert find_job(database, job_id).status == "failed"
    (record,) = [each for each in caplog.records if getattr(each, "event", "") == "file_job_error"]
    assert record.exc_info[0] is ZeroDivisionError


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


def test_uploads_of_a_campaign_that_is_no_draft_any_more_are_deleted(database, draft, upload):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [1]
    do_all(database)
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [1]
    fetch(database, "UPDATE campaigns SET status = 'cancelled'")
    retain_files(database)
    assert fetch(database, "SELECT count(*) FROM uploads") == [0]


def test_to_forget_a_person_deletes_all_files(database, draft, upload):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    request_export(database, draft, actor=TESTER)
    do_all(database)
    kept = begin_upload(database, "people.csv", actor=TESTER)
    forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)
    for table in ("uploads", "upload_pieces", "file_jobs", "file_job_pieces"):
        assert fetch(database, f"SELECT count(*) FROM {table}") == [0], table
    with pytest.raises(Refusal, match="deleted after 7 days"):
        discard_upload(database, kept, actor=TESTER)


@pytest.fixture
def work_on(database):
    """Holds a due job as the process that works on it does; `finish(work)` runs work in its transaction and commits."""
    begun, may_finish, todo = threading.Event(), threading.Event(), []

    def run(connection):
        assert store.lock_due_job(connection) is not None
        begun.set()
        assert may_finish.wait(PATIENCE_SECONDS)
        for work_ in todo:
            work_(connection)

    def begin():
        worker = Beside(database.run, run)
        assert begun.wait(PATIENCE_SECONDS)

        def finish(*works):
            todo.extend(works)
            may_finish.set()
            worker.result()

        return finish

    yield begin
    may_finish.set()


def test_to_forget_a_person_waits_long_for_a_job(database, draft, upload, work_on, open_database):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
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


def test_while_a_person_waits_to_be_forgotten_a_job_gets_its_locks(database, draft, upload, work_on):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    finish = work_on()
    forgetting = Beside(forget, database, "+5511999990001", secret_key=KEY, actor=TESTER)
    await_blocked(database)

    def take_locks(connection):
        limit_lock_waits(connection, 0.05)
        lock_forgotten(connection)
        lock_people(connection, is_shared=True)  # as a webhook does

    finish(take_locks)
    forgetting.result()


def test_no_job_begins_while_a_person_waits_to_be_forgotten(database, draft, upload, work_on):
    asked = CampaignChanges(name="Other", template="promo:en", accounts=["sales"])
    other = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    request_import(database, other, upload(), Reading(), actor=TESTER)
    finish = work_on()
    forgetting = Beside(forget, database, "+5511999990001", secret_key=KEY, actor=TESTER)
    await_blocked(database)
    assert do_all(database) == 0
    finish()
    forgetting.result()


def test_to_forget_a_person_is_refused_if_a_job_takes_too_long(database, draft, upload, work_on, monkeypatch):
    monkeypatch.setattr(erasure, "_MAX_WAIT_SECONDS", 0.1)
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    finish = work_on()
    with pytest.raises(Refusal, match="A list is being imported"):
        forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)
    assert fetch(database, "SELECT recipient_key FROM suppressions") == ["+5511999990001"]
    finish()
    forget(database, "+5511999990001", secret_key=KEY, actor=TESTER)


def test_a_copy_is_a_job_whose_result_is_the_draft(database, draft, upload):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    hours = (dt.time(20), dt.time(8, 30))
    job_id = request_copy(
        database, draft, actor=TESTER, name="Again", statuses=[Status.PENDING, Status.FAILED], quiet_hours=hours
    )
    do_all(database)
    job = find_job(database, job_id)
    copied = "SELECT name, recipient_count, window_from, window_to FROM campaigns WHERE id = %s"
    assert fetch(database, copied, job.result["campaign_id"]) == [("Again", 2, hours[1], hours[0])]
    assert fetch(database, "SELECT actor FROM audit_events WHERE what = 'campaign.copy'") == [TESTER.name]


def test_a_copy_that_is_refused_says_why(database, draft):
    job_id = request_copy(database, draft, actor=TESTER, name="a\nb", statuses=[], quiet_hours=None)
    do_all(database)
    job = find_job(database, job_id)
    assert (job.status, read_sentence(job.result["sentence"]).code) == ("refused", "campaign_name_invalid")


def test_a_file_of_opt_outs_is_read_by_a_job_and_may_be_read_again(database, upload):
    upload_id = upload("telefone\n11 98765-0021\n11 98765-0022\nabc\n", "saíram.csv")
    for added, known in ((2, 0), (0, 2)):
        job_id = request_suppressions(database, upload_id, actor=TESTER, phone_column=None, region="BR")
        do_all(database)
        result = find_job(database, job_id).result
        assert (result["added_count"], result["known_count"], result["rejected_count"]) == (added, known, 1)
        ((row, column, reason),) = result["problems"]
        assert (row, column) == (4, "telefone")
        assert reason.startswith("has words in it")
    assert fetch(database, "SELECT DISTINCT source, detail FROM suppressions") == [("import", "saíram.csv")]


def test_a_failed_import_of_opt_outs_does_not_say_that_nothing_was_changed(database, upload, monkeypatch):
    upload_id = upload("11 98765-0021\n")
    job_id = request_suppressions(database, upload_id, actor=TESTER, phone_column=None, region="BR")
    monkeypatch.setitem(work._WORK, JobKind.SUPPRESS, lambda *_arguments: 1 / 0)
    do_all(database)
    assert "Add the file again" in str(read_sentence(find_job(database, job_id).result["sentence"]))


def test_downloads_are_those_of_one_user(database, draft, upload):
    maria = Actor("maria", ActorKind.USER, Surface.CONSOLE)
    suppress_phones(database, ["+5511987650021"], actor=TESTER, reason="=x")
    request_import(database, draft, upload(), Reading(), actor=maria)
    first = request_export(database, draft, actor=maria)
    second = request_optouts_export(database, [], actor=maria, time_zone="UTC", delimiter=";")
    request_export(database, draft, actor=TESTER)
    assert [(each.id, each.size) for each in list_downloads(database, actor=maria)] == [(second, 0), (first, 0)]
    do_all(database)
    newest, oldest = list_downloads(database, actor=maria)
    assert (oldest.campaign_name, oldest.size) == ("Sale", len(b"".join(read_download(database, first))))
    assert (newest.campaign_id, newest.is_done) == (None, True)
    assert b"+5511987650021;manual;" in b"".join(read_download(database, second))
    assert find_own_job(database, first, actor=maria).id == first
    with pytest.raises(Refusal, match="no such work"):
        find_own_job(database, first, actor=replace(maria, name="pedro"))


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


def test_a_discard_waits_for_a_job_without_a_lock_that_the_job_needs(database, draft, upload, work_on):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    finish = work_on()
    discarding = Beside(discard_draft, database, draft, actor=TESTER)
    await_blocked(database)

    def lock(connection):
        limit_lock_waits(connection, 0.05)
        lock_campaigns(connection, [draft])

    finish(lock)
    discarding.result()
    assert fetch(database, "SELECT count(*) FROM file_jobs") == [0]


def test_a_discard_is_refused_while_a_job_takes_long(database, draft, upload, work_on, open_database):
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    finish = work_on()
    with pytest.raises(Refusal, match=r"is being read\. Nothing was deleted"):
        discard_draft(open_database(statement_seconds=0.2), draft, actor=TESTER)
    finish()
    discard_draft(database, draft, actor=TESTER)


def test_an_export_that_fails_is_not_in_the_audit(database, draft, monkeypatch):
    job_id = request_export(database, draft, actor=TESTER)

    def fail(*_arguments, **_named):
        raise ZeroDivisionError

    monkeypatch.setattr(work, "write_csv", fail)
    do_all(database)
    assert find_job(database, job_id).status == "failed"
    assert fetch(database, "SELECT count(*) FROM audit_events WHERE what = 'campaign.export'") == [0]


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


def test_the_same_request_again_is_the_same_job_until_it_is_done(database, draft, upload):
    upload_id, other_id = upload(), upload()
    reading, other = Reading(), Reading(region="US")

    def ask(upload_id=upload_id, reading=reading):
        return request_import(database, draft, upload_id, reading, actor=TESTER, replaces=True)

    first = ask()
    assert ask() == first
    others = [ask(reading=other), ask(other_id), ask()]
    assert len({first, *others}) == 4, "the last of all wishes is done last"
    do_all(database)
    assert ask() not in {first, *others}


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


def test_an_import_is_compared_with_other_campaigns_without_its_locks(database, draft, upload, monkeypatch):
    asked = CampaignChanges(name="Other", template="promo:en", accounts=["sales"])
    other = draft_campaign(database, asked, time_zone="UTC", actor=TESTER).id
    request_import(database, draft, upload(), Reading(), actor=TESTER)
    job_id = request_import(database, other, upload(), Reading(), actor=TESTER)
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
