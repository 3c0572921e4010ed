"""A look at a list shows its columns before they are chosen."""

from __future__ import annotations

import io

import pytest
import xlsxwriter

from campaigns.domain.recipients import read_header
from campaigns.management.accounts import add_template
from campaigns.management.campaigns import CampaignChanges, change_campaign
from campaigns.management.files import looks
from campaigns.management.files.jobs import find_job, request_look
from campaigns.management.files.looks import load_look
from campaigns.management.files.uploads import add_piece, begin_upload, end_upload
from campaigns.management.recipients import Reading
from tests.management.files.lists import MOST_BYTES
from tests.support.actors import TESTER


@pytest.fixture
def look(database, draft, upload, do_all):
    """Looks at a list, given as its text or as the id of an upload."""

    def look_at(given, reading=None):
        upload_id = upload(given) if isinstance(given, str) else given
        job_id = request_look(database, draft, upload_id, reading, actor=TESTER)
        do_all()
        return load_look(database, find_job(database, job_id))

    return look_at


def test_a_look_shows_the_header_the_first_rows_and_the_guess(look):
    seen = look("Lista de novembro;\n\nTelefone;1\n+5511999990001;Ana\n")
    assert (seen.header_row, seen.names) == (3, ["Telefone", "1"])
    assert seen.rows == [["+5511999990001", "Ana"]]
    assert (seen.phone, seen.filled, seen.problem) == ("Telefone", {"1": "1"}, None)


def test_a_look_at_columns_that_do_not_fit_shows_them_with_the_problem(look):
    seen = look("Numero do cliente,a,b,1\n+5511999990001,1,2,3\n")
    assert seen.names == ["Numero do cliente", "a", "b", "1"]
    assert (seen.phone, seen.filled) == ("Numero do cliente", {"1": "1"}), "each column alone is guessed"
    assert seen.problem.code == "phone_column_missing"


def test_a_look_at_many_columns_reads_their_header_a_few_times(monkeypatch, look):
    reads = []
    monkeypatch.setattr(looks, "read_header", lambda *values, **named: reads.append(1) or read_header(*values, **named))
    names = ",".join(f"campo {letter}{other}" for letter in "bcdefghij" for other in "klmnopqrst")
    seen = look(f"{names}\n{',' * names.count(',')}x\n")
    assert (seen.phone, seen.filled, seen.problem.code) == (None, {}, "phone_column_missing")
    assert len(reads) == 4, "for the whole header, for the phone, and twice for the one variable"


@pytest.mark.parametrize("header", ["1,nome,cidade", "nome,1,cidade", "nome,nome,1"])
def test_a_look_finds_the_column_of_a_variable_without_a_column_for_the_phones(header, look):
    seen = look(f"{header}\na,b,c\n")
    assert (seen.phone, seen.filled) == (None, {"1": "1"})


def test_a_look_guesses_for_the_template_that_the_draft_has_now(database, draft, upload, do_all):
    job_id = request_look(database, draft, upload("celular,nome,1\n+5511999990001,Ana,x\n"), actor=TESTER)
    do_all()
    add_template(database, "other", language="en", body="Hello {{nome}}!", actor=TESTER)
    change_campaign(database, draft, CampaignChanges(template="other:en"), actor=TESTER)
    seen = load_look(database, find_job(database, job_id))
    assert ([each.name for each in seen.parameters], seen.filled) == (["nome"], {"nome": "nome"})


def test_a_look_at_several_sheets_waits_for_a_choice(database, look):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet("Antiga").write_row(0, 0, ["telefone", "1"])
        sheet = book.add_worksheet("Novembro")
        sheet.write_row(0, 0, ["celular", "1"])
        sheet.write_row(1, 0, ["+5511999990001", "Ana"])
    upload_id = begin_upload(database, "people.xlsx", actor=TESTER)
    add_piece(database, upload_id, 1, buffer.getvalue(), max_bytes=MOST_BYTES)
    end_upload(database, upload_id, actor=TESTER)
    seen = look(upload_id)
    assert (seen.sheets, seen.names) == (["Antiga", "Novembro"], [])
    seen = look(upload_id, Reading(sheet="Novembro"))
    assert (seen.names, seen.rows) == (["celular", "1"], [["+5511999990001", "Ana"]])


def test_a_look_shows_control_characters_as_escapes(look):
    seen = look("phone,1\n+5511999990001,A\0na\n+5511999990002,B\u202eia\n")
    assert seen.rows == [["+5511999990001", r"A\x00na"], ["+5511999990002", r"B\u202eia"]]


def test_a_header_with_a_control_character_is_refused_or_read(database, ask_import, do_all, look):
    seen = look("pho\0ne,na\0me\n" + "+5511999990001,Ana\n" * 3)
    assert seen.names == ["pho ne", "na me"]
    job_id = ask_import("a\0b,c\0d\n" + "1,2\n" * 20)
    do_all()
    assert find_job(database, job_id).status == "refused"
