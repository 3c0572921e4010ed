from __future__ import annotations

import csv
import datetime as dt
import io
import json
import os
import pty
import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import xlsxwriter

from campaigns.cli.campaign import import_report
from campaigns.domain.phone.number import PhoneKind
from campaigns.domain.phone.written import PhoneProblem
from campaigns.domain.recipients import RowCode
from campaigns.management.accounts import add_template
from tests.domain.test_phone import ELSEWHERE
from tests.sheets.test_xlsx import write_rows
from tests.support.actors import TESTER

ANA, BIA, CAIO = "+5511999990001", "+5511999990002", "+5511999990003"


@pytest.fixture
def write(tmp_path):
    def write_one(content, name="more.csv"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    return write_one


@pytest.fixture
def sql(database):
    def run(text):
        return database.run(lambda connection: connection.execute(text).fetchall())

    return run


def test_import_adds_to_a_draft_and_says_what_became_of_the_rows(create, house, write):
    file = write(
        f"Nome;Celular;Cidade\r\nJos\u00e9;(11) 99999-0003;S\u00e3o Paulo\r\nAna;{ANA};\r\nBia;abc;\r\n".encode(
            "cp1252"
        )
    )
    assert house.ok("campaign", "import", create(), file, "--map", "1=nome").splitlines()[:8] == [
        "Campaign 1 (Black Friday): 1 recipient added (now 3), 1 duplicate dropped, 1 row rejected.",
        "  {{1}} ← Nome",
        "  1 column ignored: Cidade",
        "  First message: Oi José!",
        "  the file is not in UTF-8, and was read in the encoding of Windows: look at José in line 2",
        "  1 row with words beside the phone: row 4",
        "  1 row of a person who is in the campaign already: row 3 (Celular is in the campaign already)",
        "  `revoada campaign import-errors 1` lists these rows with their reasons.",
    ]


NEXT = (
    "Next:",
    "  revoada campaign preview 1",
    "  revoada campaign test 1 --to PHONE",
    "  revoada campaign start 1",
)


def test_an_import_prints_the_next_commands(create, house, people):
    create()
    assert tuple(house.ok("campaign", "import", "1", str(people)).splitlines()[-4:]) == NEXT
    house.ok("campaign", "start", "1", "--yes")
    house.ok("campaign", "pause", "1")
    last = house.ok("campaign", "import", "1", str(people)).splitlines()[-1]
    assert last == "  revoada campaign resume 1"


def test_create_and_import_take_the_same_options(create, house, write, sql):
    options = ("--phone-column", "fone", "--region", "pt", "--map", "1=quem", "--consent-column", "optin")
    first, second = (
        write("fone,quem,optin,phone\n912 345 678,Ana,site,x\n"),
        write("fone,quem,optin\n912345679,Bia,loja\n", "b.csv"),
    )
    house.ok("campaign", "import", create("One", "--recipients", first, *options), second, *options)
    rows = sql("SELECT phone, variables, consent FROM messages ORDER BY id")
    assert rows == [("+351912345678", ["Ana"], "site"), ("+351912345679", ["Bia"], "loja")]


def test_the_region_is_that_of_the_settings(create, house, write, sql):
    file = write("phone,name\n912 345 678,Ana\n")
    house.ok("campaign", "import", create(), file, "--map", "1=name", REVOADA_REGION="PT")
    assert sql("SELECT phone FROM messages ORDER BY id DESC LIMIT 1") == [("+351912345678",)]


def test_import_is_for_drafts_and_paused_campaigns(create, house, people):
    house.ok("campaign", "start", create())
    line = house.refusal("campaign", "import", "1", str(people))
    assert line == (
        "Campaign 1 (Black Friday) is pending: pause it to add recipients. `revoada campaign pause 1`"
        " pauses it, and `revoada campaign resume 1` resumes it after the import."
    )
    house.ok("campaign", "pause", "1")
    assert "0 recipients added (now 2), 3 duplicates dropped, 1 row rejected." in house.ok(
        "campaign", "import", "1", str(people), "--map", "1=name"
    )
    house.ok("campaign", "cancel", "1")
    line = house.refusal("campaign", "import", "1", str(people))
    assert line.startswith("Campaign 1 (Black Friday) is cancelled: it takes no more recipients. `revoada campaign cre")
    assert house.refusal("campaign", "import", "9", str(people)).startswith("Campaign 9 does not exist: ")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--map", "nome"), "'nome' is not VARIABLE=COLUMN, such as 1=nome."),
        (("--map", "1="), "'1=' is not VARIABLE=COLUMN, such as 1=nome."),
        (("--map", "1=a", "--map", "1=b"), "--map names the variable 1 twice."),
        (("--region", "uk"), "'uk' is not the code of the United Kingdom: write GB."),
        (("--region", "Brasil"), "'Brasil' must be a country of two letters such as BR."),
    ],
)
def test_options_that_make_no_sense_are_refused(create, house, people, options, reason):
    assert reason in house.refusal("campaign", "import", create(), str(people), *options, exit_code=2)


def test_a_second_file_with_another_header_is_never_read_by_the_order_of_its_columns(
    create, house, write, sql, database
):
    add_template(database, "oferta", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    first = write(f"phone,Apelido,Codigo\n{ANA},Ana,X1\n")
    campaign_id = create("Sale", "--template", "oferta:pt_BR", "--recipients", first)
    second = write(f"phone,Codigo,Apelido\n{BIA},X2,Bia\n", "b.csv")
    line = house.refusal("campaign", "import", campaign_id, second)
    assert ": the campaign has people already, and no column has the name of 1 (" in line
    assert line.endswith("choose from the columns Codigo, Apelido with --map 1=COLUMN --map 2=COLUMN.")
    house.ok("campaign", "import", campaign_id, second, "--map", "1=Apelido", "--map", "2=Codigo")
    assert sql("SELECT variables FROM messages ORDER BY id") == [(["Ana", "X1"],), (["Bia", "X2"],)]


def test_a_second_file_with_the_same_header_is_read_in_the_same_way(create, house, write, sql, database):
    add_template(database, "oferta", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    header = "celular,Fone 2,Codigo,Apelido,Fonte,telefone"
    first = write(f"{header}\n,{ANA},X1,Ana,loja,\n")
    chosen = ("--map", "1=Apelido", "--map", "2=Codigo", "--phone-column", "Fone 2", "--consent-column", "Fonte")
    campaign_id = create("Sale", "--template", "oferta:pt_BR", "--recipients", first, *chosen)
    second = write(f"{header}\n,{BIA},X2,Bia,feira,\n", "b.csv")
    told = house.ok("campaign", "import", campaign_id, second)
    assert "  the header is that of an earlier file of the campaign, so the columns are read in the same way\n" in told
    third = write(f"{header}\n,{CAIO},X3,Caio,feira,\n", "c.csv")
    assert house.json("campaign", "import", campaign_id, third, "--map", "1=Codigo")["is_known_header"] is True
    assert sql("SELECT variables, consent FROM messages ORDER BY id") == [
        (["Ana", "X1"], "loja"),
        (["Bia", "X2"], "feira"),
        (["X3", "X3"], "feira"),
    ]


@pytest.fixture
def chosen(create, write, database):
    """A draft whose list a person has read with options of their own."""
    add_template(database, "oferta", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    first = write("fone,a,b,celular\n912 345 678,X1,Ana,\n")
    options = ("--map", "1=b", "--map", "2=a", "--phone-column", "fone", "--region", "PT")
    return create("Sale", "--template", "oferta:pt_BR", "--recipients", first, *options)


KEPT = "The columns are those of the list before, so these choices are kept: "


def test_a_replacing_file_with_the_same_columns_keeps_the_choices_of_a_person(chosen, house, write, sql):
    second = write("fone,a,b,celular\n912 345 679,X2,Bia,\n", "b.csv")
    told = house.ok("campaign", "import", chosen, second, "--replace")
    assert told.startswith(f"{KEPT}--phone-column fone --map 1=b --map 2=a --region PT\n")
    assert sql("SELECT phone, variables FROM messages") == [("+351912345679", ["Bia", "X2"])]
    assert KEPT in house.ok("campaign", "import", chosen, second, "--replace")


def test_a_file_that_adds_people_keeps_the_country_of_the_list(chosen, house, write, sql):
    more = write("fone,a,b,celular\n912 345 679,X2,Bia,\n", "b.csv")
    told = house.ok("campaign", "import", chosen, more)
    assert told.startswith(f"{KEPT}--region PT\n")
    assert sql("SELECT phone FROM messages ORDER BY id") == [("+351912345678",), ("+351912345679",)]
    # The column of the phones was not chosen for the second file, but it is still the one that a third file needs.
    assert "--phone-column fone" in house.ok("campaign", "import", chosen, more, "--replace")


def test_a_choice_that_ended_a_doubt_about_the_order_is_kept(create, house, write, database):
    add_template(database, "oferta", language="pt_BR", body="Oi {{1}}, {{2}}!", actor=TESTER)
    first = write(f"phone,a,b\n{ANA},Ana,X1\n")
    options = ("--template", "oferta:pt_BR", "--recipients", first)
    for number, (mapping, kept) in enumerate(
        ((("--map", "1=a", "--map", "2=b"), f"{KEPT}--map 1=a --map 2=b\n"), ((), "Campaign 2")), start=1
    ):
        create("Sale", *options, *mapping)
        result = house("campaign", "import", str(number), first, "--replace")
        assert result.stdout.startswith(kept)
        assert ("the order of the columns decided" in result.stderr) is (not mapping)


def test_an_option_of_a_replacing_file_wins(chosen, house, write, sql):
    second = write(f"fone,a,b,celular\n,Bia,X2,{BIA}\n", "b.csv")
    options = ("--map", "1=a", "--map", "2=b", "--phone-column", "celular", "--region", "BR")
    assert KEPT not in house.ok("campaign", "import", chosen, second, "--replace", *options)
    assert sql("SELECT phone, variables FROM messages") == [(BIA, ["Bia", "X2"])]
    refused = house.refusal(
        "campaign", "import", chosen, second, "--replace", "--map", "1=b", "--map", "1=a", exit_code=2
    )
    assert "--map names the variable 1 twice" in refused


def test_a_replacing_file_with_other_columns_keeps_no_choice(chosen, house, write, sql):
    second = write(f"phone,c,d\n{BIA},Bia,X2\n", "b.csv")
    assert KEPT not in house.ok("campaign", "import", chosen, second, "--replace")
    assert sql("SELECT phone, variables FROM messages") == [(BIA, ["Bia", "X2"])]


def test_a_replacing_workbook_keeps_its_sheet(create, house, tmp_path, sql):
    def save(name, person, *, sheet="Clientes"):
        with xlsxwriter.Workbook(str(tmp_path / name)) as book:
            for title, row in (("Outros", (CAIO, "Caio")), (sheet, (ANA, person))):
                page = book.add_worksheet(title)
                page.write_row(0, 0, ("phone", "name"))
                page.write_row(1, 0, row)
        return str(tmp_path / name)

    campaign_id = create("Sale", "--recipients", save("a.xlsx", "Ana"), "--sheet", "Clientes")
    told = house.ok("campaign", "import", campaign_id, save("b.xlsx", "Ana Maria"), "--replace")
    assert told.startswith(f"{KEPT}--sheet Clientes")
    assert sql("SELECT phone, variables FROM messages") == [(ANA, ["Ana Maria"])]
    refused = house.refusal("campaign", "import", campaign_id, save("c.xlsx", "Ana", sheet="Pessoas"), "--replace")
    assert "choose one of them with --sheet" in refused


def test_no_decision_about_people_who_want_no_messages_is_kept(create, house, write):
    first = write(f"phone,name,newsletter\n{ANA},Ana,não\n{BIA},Bia,sim\n")
    campaign_id = create("Sale", "--recipients", first, "--refusals", "include", "--map", "1=name")
    assert "--refusals skip" in house.refusal("campaign", "import", campaign_id, first, "--replace")


def test_a_second_file_is_read_by_the_names_of_its_columns(create, house, write, sql, database):
    add_template(database, "oferta", language="pt_BR", body="Oi {{nome}}, {{cupom}}!", actor=TESTER)
    first = write(f"phone,nome,cupom\n{ANA},Ana,X1\n")
    campaign_id = create("Sale", "--template", "oferta:pt_BR", "--recipients", first)
    house.ok("campaign", "import", campaign_id, write(f"phone,Cupom,Nome\n{BIA},X2,Bia\n", "b.csv"))
    assert sql("SELECT variables FROM messages ORDER BY id") == [(["Ana", "X1"],), (["Bia", "X2"],)]


def test_a_second_list_in_one_command_is_refused_with_the_way(house, people, write):
    words = ("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales")
    lists = ("--recipients", str(people), "--recipients", write(f"phone,name\n{CAIO},Caio\n"))
    assert house.refusal(*words, *lists, exit_code=2).startswith(
        "--recipients is given 2 times, but it takes one value: give it once."
        " `revoada campaign import ID FILE` adds the people of a second file."
    )
    assert house.json("campaign", "list") == []


@pytest.mark.parametrize(
    "options",
    [
        *[("--template", each) for each in ("promo:pt_BR", "other:pt_BR")],
        ("--phone-column", "phone"),
        ("--window", "09:00-18:00"),
        ("--sheet", "One"),
    ],
)
def test_an_option_of_one_value_is_taken_once(house, people, options):
    words = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    twice = options if options[0] == "--template" else options * 2
    line = house.refusal("campaign", "create", "Sale", *words, *twice, exit_code=2)
    assert line.startswith(f"{options[0]} is given 2 times, but it takes one value: give it once.")


def test_columns_that_fit_nothing_are_listed_with_a_proposal(create, house, write):
    line = house.refusal("campaign", "import", create(), write(f"phone,nome,cidade\n{ANA},Ana,Rio\n"))
    assert line.endswith(
        'no column has the name of 1 ("Oi {{1}}!"): choose from the columns nome, cidade with --map 1=nome.'
    )


def test_people_and_files_of_other_campaigns_are_a_warning(create, house, people, write):
    assert (
        house("campaign", "import", create("One"), write(f"phone,name\n{CAIO},Caio\n"), "--map", "1=name").stderr == ""
    )
    result = house(
        "campaign", "create", "Two", "--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people)
    )
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: 2 of 2 recipients are also in campaign 1 (One), a draft made today, which has the very same file.\n"
    )


def test_several_drafts_of_the_same_people_are_one_warning(create, house, write):
    for number in range(1, 4):
        create(f"Sale {number}")
    house("campaign", "import", "1", write(f"phone,name\n{CAIO},Caio\n"), "--map", "1=name")
    assert house("campaign", "import", create(), write(f"phone,name\n{CAIO},Caio\n"), "--map", "1=name").stderr == (
        "Warning: 3 other drafts hold some of these people: 1, 2, 3.\n"
    )
    shown = house.ok("campaign", "show", "4")
    assert "3 of 3 recipients are also in campaign 1 (Sale 1), a draft made today" in shown
    assert "2 of 3 recipients are also in campaign 3 (Sale 3), a draft made today" in shown


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("status = 'draft', created_at = now() - interval '3 days'", "a draft made 3 days ago"),
        ("status = 'pending'", "about to run"),
        (
            "status = 'scheduled', scheduled_at = '2999-11-27T12:00Z'",
            "scheduled for 2999-11-27 09:00:00 -03",
        ),
        ("status = 'running', started_at = now() - interval '9 days'", "running now"),
        ("status = 'paused', started_at = now()", "paused now"),
        ("status = 'completed', started_at = now(), completed_at = now()", "completed today"),
        ("status = 'completed', started_at = now(), completed_at = now() - interval '1 day'", "completed yesterday"),
        ("status = 'cancelled', cancelled_at = now() - interval '2 days'", "cancelled 2 days ago"),
    ],
)
def test_an_overlap_says_when_the_other_campaign_ran(create, house, database, state, words):
    create("One")
    database.run(lambda connection: connection.execute(f"UPDATE campaigns SET {state}"))
    result = house(
        *("campaign", "create", "Two", "--template", "promo:pt_BR", "--account", "sales"),
        *("--recipients", "people.csv"),
        REVOADA_TIMEZONE="America/Sao_Paulo",
    )
    assert result.stderr == (
        f"Warning: 2 of 2 recipients are also in campaign 1 (One), {words}, which has the very same file.\n"
    )


def test_one_person_who_is_also_in_another_campaign_is_named_as_one(create, house, people, tmp_path):
    create("One")
    other = tmp_path / "other.csv"
    other.write_text(f"phone,name\n{ANA},Ana\n")
    words = ("campaign", "create", "Two", "--template", "promo:pt_BR", "--account", "sales", "--recipients")
    assert "Warning: 1 of 1 recipient is also in campaign 1 (One)" in house(*words, str(other)).stderr


def test_many_overlaps_are_not_all_listed(create, house, database):
    for number in range(7):
        create(f"Sale {number}")
    running = "UPDATE campaigns SET status = 'running', started_at = now() WHERE id > 1"
    database.run(lambda connection: connection.execute(running))
    lines = house("campaign", "import", "1", "people.csv", "--map", "1=name").stderr.splitlines()
    assert len([line for line in lines if "recipients are also in" in line]) == 5
    assert lines[-1] == "Warning: 1 more campaign has some of these people or the very same file."
    for number in range(7):
        create(f"Draft {number}")
    lines = house.ok("campaign", "show", "1").splitlines()
    named = [line.split("(")[1].split(")")[0] for line in lines if "recipients are also in" in line]
    assert named == [*(f"Sale {number}" for number in range(1, 6)), *(f"Draft {number}" for number in range(5))]
    assert "3 more campaigns have some of these people or the very same file." in lines


def test_import_errors_are_listed_exported_and_never_show_a_phone(create, house, write, tmp_path):
    campaign_id = create()
    house.ok(
        "campaign",
        "import",
        campaign_id,
        write(f"phone,observa\u00e7\u00e3o\n{CAIO}/{BIA},x\n{CAIO},\n"),
        "--map",
        "1=observa\u00e7\u00e3o",
    )
    rows = [
        (
            *("people.csv", 5, "phone"),
            *(ELSEWHERE, "phone_invalid"),
        ),
        ("people.csv", 4, "phone", "belongs to the person of row 2", "duplicate_in_file"),
        ("more.csv", 2, "phone", "has more than one number in it: keep one in each row", "phone_several"),
        ("more.csv", 3, "observa\u00e7\u00e3o", "is empty", "value_empty"),
    ]
    listed = house.json("campaign", "import-errors", campaign_id)
    assert [tuple(row.values()) for row in listed] == rows
    table = house.ok("campaign", "import-errors", campaign_id)
    for row in rows:
        assert row[3] in table
    output = tmp_path / "errors.csv"
    told = house.ok("campaign", "import-errors", campaign_id, "--output", str(output), "--delimiter", ";")
    assert told == f"{output}: 4 rows.\n"
    assert output.read_bytes().startswith(b"\xef\xbb\xbffile;row;column;reason;code\r\n")
    with output.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file, delimiter=";"))[1:] == [[name, str(row), *rest] for name, row, *rest in rows]
    assert "99999" not in table + output.read_text()


def test_a_list_of_excel_is_sent_as_excel_shows_it_or_refused_with_sheet_cell_and_reason(create, house, write):
    rows = [["phone", "desconto"], [ANA, (0.2, "0%")], [5511999990002, (0.125, "0.0%")], [CAIO, (0.5, "0*-")]]
    campaign_id = create("Sale", "--recipients", write(write_rows(*rows), "lista.xlsx"))
    preview = house.ok("campaign", "preview", campaign_id)
    assert "Oi 20%!" in preview
    assert "Oi 12,5%!" in preview
    (error,) = house.json("campaign", "import-errors", campaign_id)
    assert (error["file_name"], error["row_number"], error["column_name"]) == ("lista.xlsx", 4, "desconto")
    assert error["reason"].startswith(
        "in Plan1!B4 has the number format 0*-, which fills the width of the cell with -: "
    )
    assert "in Plan1!B4 has the number format" in house.ok("campaign", "show", campaign_id).replace("\n", " ")


def write_hidden_list():
    """Return a workbook with a title, a hidden row and a hidden column, and with a second sheet."""
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        sheet = book.add_worksheet("Clientes 2026")
        sheet.write("A1", "Clientes de novembro")
        for row, cells in enumerate([("telefone", "nome", "id"), (ANA, "Ana", "1"), (BIA, "Bia", "2")], 2):
            sheet.write_row(row, 0, cells)
        sheet.set_row(4, None, None, {"hidden": True})
        sheet.set_column("C:C", None, None, {"hidden": True})
        book.add_worksheet("Legenda").write("A1", "x")
    return buffer.getvalue()


def test_a_workbook_with_sheets_a_title_and_hidden_rows_is_imported_by_the_commands_that_are_printed(
    create, house, write, sql
):
    words = ["campaign", "import", create(), write(write_hidden_list(), "lista.xlsx"), "--map", "1=nome"]
    line = house.refusal(*words)
    assert line.endswith(
        "lista.xlsx: the workbook has 2 sheets with rows (Clientes 2026, Legenda): choose one of them with --sheet."
    )
    words += ["--sheet", "clientes 2026"]
    line = house.refusal(*words)
    assert line.endswith(
        "lista.xlsx, sheet Clientes 2026: the sheet hides 1 row (the first is row 5; a filter hides rows as well) and "
        "columns (C (id)): leave all of them out with --hidden skip, or read them like the others with --hidden "
        "include."
    )
    before = sql("SELECT count(*) FROM messages")
    assert house.ok(*words, "--hidden", "skip").splitlines()[:6] == [
        "Campaign 1 (Black Friday): 0 recipients added (now 2), 1 duplicate dropped.",
        "  sheet Clientes 2026 was read",
        "  {{1}} ← nome",
        "  row 3 names the columns; the rows above it were not read",
        "  1 hidden row left out",
        "  hidden columns left out: C (id)",
    ]
    assert sql("SELECT count(*) FROM messages") == before
    assert house.ok(*words, "--hidden", "include").splitlines()[:7] == [
        "Campaign 1 (Black Friday): 0 recipients added (now 2), 2 duplicates dropped.",
        "  sheet Clientes 2026 was read",
        "  {{1}} ← nome",
        "  1 column ignored: id",
        "  row 3 names the columns; the rows above it were not read",
        "  1 hidden row read like the others",
        "  hidden columns read like the others: C (id)",
    ]


def test_a_hidden_sheet_with_rows_is_named(offer):
    buffer = io.BytesIO()
    with xlsxwriter.Workbook(buffer, {"in_memory": True}) as book:
        book.add_worksheet("Lista").write_row("A1", ["telefone", "1", "2"])
        book.get_worksheet_by_name("Lista").write_row("A2", [ANA, "Ana", "1%"])
        for name, rows in (("Antigos", 1), ("Vazia", 0), ("Base", 1)):
            sheet = book.add_worksheet(name)
            sheet.write_column("A1", ["telefone", BIA][: 2 * rows])
            sheet.very_hidden() if name == "Base" else sheet.hide()
    told = offer(buffer.getvalue()).stdout
    assert "  2 hidden sheets with rows were not read: Antigos, Base; --sheet reads a sheet, also a hidden one" in told
    chosen = offer(buffer.getvalue(), "--sheet", "Antigos", "--set", "1=a", "--set", "2=b", "--json")
    assert json.loads(chosen.stdout)["hidden_sheets"] == ["Base"]


def test_a_campaign_without_import_errors_says_so(create, house, write):
    campaign_id = create("Sale", "--recipients", write(f"phone,name\n{ANA},Ana\n"))
    assert house.ok("campaign", "import-errors", campaign_id) == "No row of campaign 1 was rejected.\n"
    assert house.json("campaign", "import-errors", campaign_id) == []
    assert house.refusal("campaign", "import-errors", "9").startswith("Campaign 9 does not exist: ")


def test_a_long_list_of_import_errors_says_how_many_more(create, house, write):
    campaign_id = create("Sale", "--recipients", write("phone,name\n" + "x,y\n" * 150))
    assert (
        house.ok("campaign", "import-errors", campaign_id).splitlines()[-1] == "… and 50 more: --output FILE has all."
    )
    assert len(house.json("campaign", "import-errors", campaign_id)) == 150


def test_import_errors_go_to_one_place(create, house):
    line = house.refusal("campaign", "import-errors", create(), "--json", "--output", "x.csv", exit_code=2)
    assert json.loads(line)["error"]["message"].startswith("Give --output or --json, not both.")


def test_what_a_second_file_lacks_is_what_is_shown(create, house, write):
    output = house.ok("campaign", "import", create(), write(f"phone,name\n{CAIO},\n"), "--map", "1=name")
    assert "  1 row with an empty value: row 2 (name is empty)" in output.splitlines()
    assert "row 5" not in output


def run_in_terminal(command, environment):
    """Run a command whose stderr is a terminal; return its exit code, its stdout, and what the terminal was told."""
    terminal, its_end = pty.openpty()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=its_end) as process:
        os.close(its_end)
        shown = bytearray()
        with suppress(OSError):  # so Linux says that nobody has the other end any more
            while block := os.read(terminal, 65536):
                shown += block
        os.close(terminal)
        stdout = process.stdout.read()
    return process.returncode, stdout.decode(), shown.decode()


def test_a_terminal_gets_a_bar_and_a_pipe_does_not(create, house, write):
    create()
    rows = "".join(f"+55119{number:08d},Ana\n" for number in range(60_000))
    command = [
        *(Path(sys.executable).with_name("revoada"), "campaign", "import", "1"),
        write(f"phone,name\n{rows}", "[people].csv"),
        *("--map", "1=name"),
    ]
    environment = {key: value for key, value in house.environment.items() if value is not None}
    environment |= {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    exit_code, stdout, shown = run_in_terminal(command, environment)
    told = (
        "Campaign 1 (Black Friday): 60,000 recipients added (now 60,002).\n  {{1}} ← name\n  First message: Oi Ana!\n"
    )
    told += "".join(f"{line}\n" for line in NEXT)
    assert (exit_code, stdout) == (0, told), shown
    assert "reading [people].csv" in shown
    assert {int(percent) for percent in re.findall(r"(\d+)%", shown)} - {0, 100}
    assert "writing" in shown
    assert shown.endswith("\x1b[2K")  # the bar is gone when its work is done
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    assert piped.stdout.startswith(
        "Campaign 1 (Black Friday): 0 recipients added (now 60,002), 60,000 duplicates dropped.\n"
    )


def test_the_file_of_rejected_rows_is_for_its_owner_and_runs_no_formula(house, create, write, tmp_path):
    campaign_id = create()
    evil = "=cmd|' /C calc'!A0"
    house.ok("campaign", "import", campaign_id, write(f"phone,name\n{evil},Ana\n", name="=1+1.csv"), "--map", "1=name")
    output = tmp_path / "errors.csv"
    output.write_text("old")
    output.chmod(0o644)
    house.ok("campaign", "import-errors", campaign_id, "--output", str(output))
    assert output.stat().st_mode & 0o777 == 0o600
    with output.open(encoding="utf-8-sig", newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert "'=1+1.csv" in cells
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]


TEXT = "Oi {{1}}! Hoje voc\u00ea tem {{2}} de desconto."


@pytest.fixture
def offer(house, database, write):
    """Runs `create` with a template of two variables; its list is the first argument."""
    add_template(database, "oferta", language="pt_BR", body=TEXT, actor=TESTER)

    def run(content, *options):
        file = write(content, "lista.csv")
        arguments = ("--template", "oferta:pt_BR", "--account", "sales", "--recipients", file)
        return house("campaign", "create", "Oferta", *arguments, *options)

    return run


def options_in(line):
    """Return the options that a refusal proposes."""
    return shlex.split(" ".join(re.findall(r"--map (?:'[^']*'|\S+)", line.rstrip().rstrip(".").replace(",", ""))))


@pytest.mark.parametrize(
    "header",
    ["telefone;desconto;nome", "telefone;desconto;Primeiro nome", "telefone;Valor do desconto;nome do cliente"],
)
def test_swapped_columns_are_refused_and_the_proposed_options_fill_them_right(offer, header):
    content = f"{header}\n{ANA};20%;Ana\n"
    refused = offer(content)
    assert (refused.exit_code, refused.stdout) == (1, "")
    proposed = options_in(refused.stderr)
    assert len(proposed) == 4
    assert (
        "  First message: Oi Ana! Hoje voc\u00ea tem 20% de desconto." in offer(content, *proposed).stdout.splitlines()
    )


def test_a_missing_column_is_named_with_its_text_and_the_option_for_it_works(offer):
    refused = offer(f"phone,nome\n{ANA},Ana\n", "--map", "1=nome")
    assert '2 ("Hoje voc\u00ea tem {{2}} de desconto."): add the columns' in refused.stderr
    assert refused.stderr.endswith("give all recipients the same value with --set 2=VALUE.\n")
    assert "Oi Ana! Hoje voc\u00ea tem 20% de desconto." in offer(f"phone,nome\n{ANA},Ana\n", "--set", "2=20%").stdout


def test_columns_without_a_name_that_fits_are_said_to_go_by_their_position(offer):
    lines = offer(f"phone,nome,desconto\n{ANA},Ana,20%\n").stdout.splitlines()
    assert lines[1:4] == [
        "  {{1}} \u2190 nome (by its position)",
        "  {{2}} \u2190 desconto (by its position)",
        "  First message: Oi Ana! Hoje voc\u00ea tem 20% de desconto.",
    ]


def test_the_report_counts_each_kind_of_rows_in_one_line(offer):
    rows = [
        *("(0xx11) 99999-0001,Ana,1%", "wa.me/5511999990001,Ana,2%", "0800 123 4567,B,1%", "4004-1234,B,1%"),
        *("11 3456-7890,C,1%", "11 98765-4321 / 11 91234-5678,D,1%", "+1 555 025 3483,Meta,1%", '"5,51199E+12",E,1%'),
        *("1187654321,F,1%", "11 91234-0000,#N/D,1%", "11 91234-0001,NULL,1%", "Lia 11 91234-0002,Lia,1%"),
    ]
    content = "\n".join(["phone,1,2", *rows])
    assert offer(content).stdout.splitlines()[4:14] == [
        "  2 rows with a company's number for callers (0800, 0300, 4004 \u2026): row 4, row 5",
        "  1 row with more than one phone in a cell: row 7",
        "  1 row with a test number of Meta's, which --allow-test-numbers takes: row 8",
        "  1 row with a phone that Excel has shortened to a number with an E, so digits are lost: row 9",
        (
            "  2 rows with an error or a formula of the spreadsheet, or a text for a missing value (NULL, nan,"
            " TRUE, - \u2026), in place of a value: row 11 (1 is #N/D, an error of the spreadsheet), row 12"
            " (1 is NULL, which a program writes for a missing value)"
        ),
        "  1 row with words beside the phone: row 13",
        "  1 row of a person who is in an earlier row, which is taken: row 3 (phone belongs to the person of row 2)",
        "  1 row with a landline, which may have WhatsApp or not; --mobile-only leaves landlines out.",
        (
            "  1 row with a mobile number of Brazil in the old form, without its first 9. WhatsApp finds such numbers."
            " The first is row 10"
            " (+55 11\u2022\u2022\u2022\u20224321)."
        ),
        "  `revoada campaign import-errors 1` lists these rows with their reasons.",
    ]
    lines = offer(content, "--mobile-only", "--allow-test-numbers", "--allow-null").stdout.splitlines()
    assert lines[0] == "Campaign 2 (Oferta): 4 recipients, 1 duplicate dropped, 7 rows rejected."
    assert "  1 row with a landline, left out by --mobile-only: row 6" in lines


def test_many_rows_of_a_kind_are_not_all_named(offer):
    content = "phone,1,2\n" + "0800 123 4567,A,1%\n" * 9
    assert (
        "9 rows with a company's number for callers (0800, 0300, 4004 \u2026): row 2, row 3, row 4, \u2026"
        in offer(content).stdout
    )


def test_every_kind_of_row_and_phone_has_its_line_in_the_report():
    assert set(import_report.GROUPS) == {*RowCode, *PhoneProblem}
    assert set(import_report.KINDS) == set(PhoneKind)


def test_a_fixed_value_stands_in_the_mapping_and_takes_no_column(offer):
    told = offer(f"phone,nome\n{ANA},Ana\n", "--set", "2=20%", "--map", "1=nome").stdout.splitlines()
    assert told[1:3] == ["  {{1}} \u2190 nome", "  {{2}} = 20% (the same for all recipients)"]
    refused = offer(f"phone,nome\n{ANA},Ana\n", "--set", "1=Oi", "--map", "1=nome", "--set", "2=20%")
    assert refused.exit_code == 1
    assert "the variable '1' has the value 'Oi' for all recipients already" in refused.stderr
    assert "leave out --map 1=nome or --set 1=VALUE." in refused.stderr


def test_an_unrelated_column_is_not_proposed(offer):
    refused = offer(f"phone,nome,obs\n{ANA},Ana,x\n", "--map", "1=nome")
    assert refused.stderr.endswith(
        "choose from the columns obs with --map 2=COLUMN, or give all recipients the same value with --set 2=VALUE.\n"
    )


@pytest.mark.parametrize("options", [("--set", "2=VALUE"), ("--set", "2=…"), ("--map", "2=COLUMN")])
def test_a_placeholder_is_not_taken_for_a_value(offer, options):
    refused = offer(f"phone,nome,obs\n{ANA},Ana,x\n", "--map", "1=nome", *options)
    assert refused.exit_code in {1, 2}
    assert f"{options[1][2:]} stands for " in refused.stderr


@pytest.mark.parametrize(
    "call",
    [
        ("campaign", "create", "NAME", "--template", "promo:pt_BR", "--account", "sales"),
        ("suppress", "add", "PHONE"),
        ("check-setup", "--webhook-url", "https://your.host/webhooks/whatsapp"),
    ],
)
def test_an_example_that_was_copied_as_it_stands_is_refused(house, call):
    result = house(*call)
    assert result.exit_code in {1, 2}
    assert "stands for " in result.stderr or "is the address of an example" in result.stderr


REFUSALS = f"phone,1,2,Aceita WhatsApp?\n{ANA},Ana,1%,sim\n{BIA},Bia,2%,N\u00c3O\n{CAIO},Caio,3%,n\u00e3o aceita\n"


def test_a_list_with_people_who_want_no_messages_is_refused_until_a_person_decides(offer):
    refused = offer(REFUSALS)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert (
        "the list says in 2 rows that the person wants no messages (Aceita WhatsApp?; the first is row 3): leave these"
        " people out with --refusals skip, or read them like the others with --refusals include; if a column says"
        " nothing about messages, but for example about an order, say so with --not-refusals 'Aceita WhatsApp?'."
        in refused.stderr
    )
    left_out = offer(REFUSALS, "--refusals", "skip", "--no-record-refusals")
    assert left_out.stdout.startswith("Campaign 1 (Oferta): 1 recipient, left out: 2 said no.\n")
    assert "  2 rows of people who want no messages, left out by --refusals skip: row 3, row 4\n" in left_out.stdout
    assert left_out.stderr == ""


def test_people_who_want_no_messages_and_are_read_all_the_same_are_warned_of(offer):
    told = offer(REFUSALS, "--refusals", "include")
    assert told.stdout.startswith("Campaign 1 (Oferta): 3 recipients.\n")
    assert told.stderr == (
        "Warning: The list says in 2 rows that the person wants no messages (Aceita WhatsApp?). These people are in the"
        " campaign like the others. The first of them is in row 3. To leave these people out, import the file again:"
        " `revoada campaign import 1 FILE --replace --refusals skip`.\n"
    )


def test_refusals_stand_in_the_json_and_in_the_rejected_rows(offer, house):
    result = json.loads(offer(REFUSALS, "--refusals", "skip", "--json").stdout)
    assert (result["refusing_rows"], result["refusing_columns"]) == (2, ["Aceita WhatsApp?"])
    assert result["skips_refusals"] is True
    assert result["problems"] == {"consent_refused": 2}
    assert "says that the person wants no messages" in house.ok("campaign", "import-errors", "1")


@pytest.mark.parametrize("answers", [("sim", "n\u00e3o"), ("n\u00e3o", "sim"), ("sim", "n\u00e3o", "sim")])
def test_a_person_with_a_no_in_one_row_gets_no_message_by_another_row(offer, house, answers):
    rows = "".join(f"{ANA},Ana,1%,{answer}\n" for answer in answers)
    told = offer(f"phone,1,2,optin\n{rows}{BIA},Bia,2%,sim\n", "--refusals", "skip")
    assert f"1 recipient, left out: {len(answers)} said no.\n" in told.stdout
    assert "First message: Oi Bia!" in told.stdout
    assert "belongs to a person who wants no messages by another row" in house.ok("campaign", "import-errors", "1")


@pytest.mark.parametrize(
    ("column", "cell"), [("status", "SAIU"), ("Observa\u00e7\u00e3o", "n\u00e3o quer"), ("newsletter", "n\u00e3o")]
)
def test_words_of_a_refusal_in_any_column_need_a_decision(offer, column, cell):
    rows = f"phone,1,2,{column}\n{ANA},Ana,1%,{cell}\n{BIA},Bia,2%,vip\n"
    refused = offer(rows)
    assert f"the list says in 1 row that the person wants no messages ({column}; the first is row 2)" in refused.stderr
    assert offer(rows, "--not-refusals", column).stdout.startswith("Campaign 1 (Oferta): 2 recipients.\n")
    assert ": 1 recipient, left out: 1 said no.\n" in offer(rows, "--refusals", "skip").stdout


def test_the_first_of_many_notes_beside_refusals_are_shown_with_the_number_of_all(offer):
    rows = "".join(f"+551199999{number:04},P{number},1%,nota {number}\n" for number in range(30))
    told = offer(f"phone,1,2,Obs\n{rows}{ANA},Ana,1%,SAIR\n{BIA},Bia,1%,sem whatsapp\n", "--refusals", "skip").stderr
    assert "30 other texts were read as no refusal, so their people are in the campaign. The first of them are:" in told
    assert "row 21 (nota 19)." in told


def test_a_column_with_refusals_is_read_for_possible_ones_and_its_other_notes_are_shown(offer, house):
    notes = ["vip", "SAIR", "n\u00e3o tenho interesse, obrigado", *(f"nota {number}" for number in range(5))]
    rows = "".join(f'+551199999{number:04},P{number},1%,"{note}"\n' for number, note in enumerate(notes))
    told = offer(f"phone,1,2,Retorno\n{rows}", "--refusals", "skip")
    assert told.stdout.startswith("Campaign 1 (Oferta): 6 recipients, left out: 2 said no.\n")
    assert "2 rows of people who want no messages, left out by --refusals skip: row 3, row 4\n" in told.stdout
    warning = (
        "Some cells of the column Retorno say that the person wants no messages. These cells were read as no refusal,"
        " so their people are in the campaign: row 2 (vip), row 5 (nota 0), row 6 (nota 1), row 7 (nota 2),"
        " row 8 (nota 3), row 9 (nota 4). Read them. If one of them is a refusal, delete its row, and import the file"
        " again: `revoada campaign import 1 FILE --replace --refusals skip"
    )
    assert f"Warning: {warning}" in told.stderr
    assert warning in house("campaign", "start", "1", "--yes").stderr
    assert "says in 2 rows" in offer(f"phone,1,2,Retorno\n{rows}").stderr


def test_a_refusal_beside_the_name_of_a_person_needs_a_decision(offer):
    refused = offer(f"phone,nome,2\n{ANA},Ana (N\u00c3O ENVIAR),1%\n{BIA},Bia,2%\n", "--map", "1=nome")
    assert "the list says in 1 row that the person wants no messages (nome; the first is row 2)" in refused.stderr


def test_a_column_about_something_else_leaves_the_other_columns_as_they_are(offer):
    rows = f"phone,1,2,status,aceita\n{ANA},Ana,1%,cancelado,sim\n{BIA},Bia,2%,pago,n\u00e3o\n"
    told = offer(rows, "--not-refusals", "status", "--refusals", "skip")
    assert told.stdout.startswith("Campaign 1 (Oferta): 1 recipient, left out: 1 said no.\n")
    assert "there is no column 'x'" in offer(rows, "--not-refusals", "x").stderr


def test_a_row_that_is_rejected_anyway_is_no_refusal(offer):
    assert offer(f"phone,1,2,optin\n{ANA},Ana,1%,sim\n11,Bia,2%,nao\n").exit_code == 0


def test_a_list_in_the_encoding_of_windows_is_told_with_a_word(house, offer, tmp_path):
    lista = tmp_path / "lista.csv"
    options = ("--template", "oferta:pt_BR", "--account", "sales", "--recipients", str(lista))
    lista.write_bytes(f"phone,1,2\n{ANA},Jos\u00e9,1%\n{BIA},Z\u00e9,1%\n".encode("cp1252"))
    line = "  the file is not in UTF-8, and was read in the encoding of Windows: look at Jos\u00e9 in line 2"
    assert line in house.ok("campaign", "create", "Oferta", *options).splitlines()
    lista.write_bytes(lista.read_bytes() + f"{CAIO},Jo\u00e3o,1%\n".encode("cp850"))
    told = house("campaign", "create", "Oferta", *options).stderr
    assert "read in the encoding of Windows, and Jo\u00c6o in line 4 looks wrong." in told
    assert "and import it again: `revoada campaign import 2 FILE --replace`." in told


def test_a_list_that_was_misread_as_a_whole_is_told_at_the_import_and_at_the_start(offer, house, tmp_path):
    rows = f"{ANA},Jo\u00e3o,20%\n{BIA},F\u00e1bio,15%\n{CAIO},\u00cdris,5%\n"
    book = f"telefone,nome,desconto\n{rows}".encode("cp850").decode("cp1252")  # as a spreadsheet program opens it
    told = offer(book)
    assert "1 recipient, 2 rows rejected" in told.stdout
    assert "2 rows with letters in the encoding of another system: row 2, row 3\n" in told.stdout
    reasons = [each["reason"] for each in house.json("campaign", "import-errors", "1")]
    assert [each.partition(" in place")[0] for each in reasons] == ["has \u00c6", "has an invisible character"]
    assert "correct the cell" not in told.output + "".join(reasons)
    words = "A program read the list in the encoding of another system. For wrong letters, 2 rows stayed out (the first"
    assert words in told.stderr
    assert words in house("campaign", "start", "1", "--yes").stderr


def test_columns_that_only_their_order_chose_are_warned_of(offer):
    told = offer(f"phone,preco,quem\n{ANA},9,Ana\n")
    assert "order of the columns decided: {{1}} \u2190 preco, {{2}} \u2190 quem. Read the first message." in told.stderr
    assert (
        "such as --map 1=COLUMN --map 2=COLUMN, and import it again: `revoada campaign import 1 FILE --replace`.\n"
    ) in told.stderr
    assert "greets a person with {{1}}, but the column preco has no names, such as 9." in told.stderr


def test_columns_whose_names_stand_in_the_text_are_not_warned_of(offer):
    assert offer(f"phone,nome,desconto\n{ANA},Ana,20%\n").stderr == ""


def test_swapped_names_of_phone_and_person_are_told(offer):
    told = offer(f"nome,telefone,desconto\n{ANA},Ana,20%\n{BIA},Bia,15%\n{CAIO},Caio,5%\n")
    assert (
        "Most rows have no mobile phone in the column telefone, but in the column nome. If the first row names the two"
        " columns the wrong way round, correct it and import the file again: `revoada campaign import 1 FILE"
        " --replace`."
    ) in told.stderr


def test_phones_in_an_unused_column_are_told_with_its_option(offer):
    content = f"nome,whatsapp,desconto,Numero\nAna,sim,20%,{ANA}\nBia,n\u00e3o,15%,{BIA}\n"
    told = offer(content, "--map", "1=nome", "--map", "2=desconto")
    command = "revoada campaign import 1 FILE --replace --phone-column Numero --map 1=nome --map 2=desconto"
    assert f"again with that column: `{command}`." in told.stderr


def test_a_column_of_landlines_beside_one_of_mobile_phones_is_told(offer):
    rows = f"1132345678,Ana,20%,{ANA}\n1132345679,Bia,15%,{BIA}\n{CAIO},Caio,5%,{CAIO}\n"
    told = offer(
        f"Telefone fixo,nome,desconto,Celular\n{rows}",
        "--phone-column",
        "Telefone fixo",
        "--map",
        "1=nome",
        "--map",
        "2=desconto",
    )
    assert "no mobile phone in the column Telefone fixo, but in the column Celular." in told.stderr


def test_a_list_of_landlines_alone_is_taken(offer):
    rows = "1132345678,Ana,20%,01310100\n1132345679,Bia,15%,01310200\n"
    told = offer(f"Telefone,nome,desconto,CEP\n{rows}", "--map", "1=nome", "--map", "2=desconto")
    assert told.stderr == ""


def test_phones_that_may_be_those_of_another_country_are_told(offer, house):
    content = "telefone,nome,desconto\n07721 234560,Ana,20%\n+5511987654321,Bia,15%\n07931 245661,Caio,5%\n"
    words = (
        "Warning: 2 phones without a country code may be those of another country, and were read as phones of BR (row 2"
        " became +55 77 \u2022\u2022\u2022\u2022-4560). If they are phones of another country, the messages go to"
        " strangers. "
    )
    again = "`revoada campaign import 1 FILE --replace --region GB --map 1=nome --map 2=desconto`"
    assert offer(content).stderr.startswith(words)
    assert again in offer(content).stderr.replace("import 2", "import 1")
    told = house("campaign", "start", "1", "--yes")
    assert words in told.stderr
    assert "another country" not in offer(content, "--region", "GB").stderr


def test_a_mobile_phone_that_may_have_lost_a_digit_is_told_with_its_row_and_number(offer, house):
    rows = "".join(f"+551198765{number},Ana,{number % 30}%\n" for number in range(4320, 4324))
    told = offer(f"telefone,nome,desconto\n{rows}51 9933-3272,Iris,20%\n(51) 99333-273,Lia,20%\n")
    assert "1 row with a phone that has lost a digit: row 7" in told.stdout
    assert "WhatsApp" not in told.stdout
    words = "In 1 row, the mobile phone has no 9 at its beginning"
    assert words in told.stderr
    assert "row 6 (+55 51\u2022\u2022\u2022\u20223272)" in told.stderr
    assert words in house("campaign", "start", "1", "--yes").stderr


def test_the_first_phone_of_an_old_list_is_named(offer):
    told = offer("telefone,nome,desconto\n51 9933-3272,Iris,20%\n51 9933-3273,Lia,20%\n")
    assert "The first is row 2 (+55 51\u2022\u2022\u2022\u20223272)." in told.stdout
    assert told.stderr == ""


def test_a_few_bad_phones_tell_nothing_of_another_column(offer):
    told = offer(f"nome,telefone,desconto\n{ANA},Ana,20%\nBia,{BIA},15%\nCaio,{CAIO},5%\n")
    assert told.stderr == ""


def test_the_same_file_without_a_shared_person_is_told_without_a_count(create, house, write):
    bad = write("phone,name\nx,y\n")
    create("One", "--recipients", bad)
    words = ("campaign", "create", "Two", "--template", "promo:pt_BR", "--account", "sales", "--recipients", bad)
    assert "Warning: Campaign 1 (One), a draft made today, has the very same file.\n" in house(*words).stderr


def test_of_two_columns_of_phones_none_is_proposed(house, write):
    file = write(f"Telefone,Celular,name\n1132345678,{ANA},Ana\n")
    line = house.refusal(
        "campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales", "--recipients", file
    )
    assert line.endswith(
        "phones may be in Telefone, Celular: name the column of the mobile phones with --phone-column."
    )


def test_dates_and_letters_that_would_reach_people_wrongly_are_counted_by_kind(offer, database):
    content = f"telefone,nome,Vencimento\n{ANA},Ana,46357\n{BIA},Jo\u00c3\u00a3o,01/12/2026\n{CAIO},-,01/12/2026\n"
    told = offer(content, "--map", "1=nome", "--map", "2=Vencimento")
    assert "0 recipients, 3 rows rejected" in told.stdout
    assert (
        "1 row with the number of a date in place of the date: row 2"
        " (Vencimento is 46357, the number of a date (2026-12-01): format the column as a date)"
    ) in told.stdout
    assert (
        "1 row with letters in a wrong encoding: row 3"
        " (nome has \u00c3\u00a3 in place of \u00e3, a wrong encoding: correct the cell, or export the list again as"
        " XLSX or CSV UTF-8 from the program that wrote it)"
    ) in told.stdout
    assert "row 4 (nome is -, punctuation in place of a value)" in told.stdout


def test_a_date_further_down_tells_that_a_column_has_dates(offer, sql):
    rows = f"{ANA},Ana,46357,46357\n{BIA},Bia,2026-12-01,50000\n"
    told = offer(f"telefone,nome,quando,valor\n{rows}", "--map", "1=nome", "--map", "2=quando")
    assert "1 recipient, 1 row rejected" in told.stdout
    told = offer(f"telefone,nome,quando,valor\n{rows}", "--map", "1=nome", "--map", "2=valor")
    assert "2 recipients." in told.stdout


@pytest.mark.parametrize("wrong", ["0", "x", "20261201"])
def test_a_sign_in_a_column_of_dates_is_no_date(offer, wrong):
    rows = f"{ANA},Ana,{wrong}\n{BIA},Bia,01/12/2026\n"
    told = offer(f"telefone,nome,Vencimento\n{rows}", "--map", "1=nome", "--map", "2=Vencimento")
    assert f"row 2 (Vencimento is {wrong}, which is no date: correct it)" in told.stdout


def test_a_day_of_each_month_is_a_value(offer):
    told = offer(f"telefone,nome,Vencimento\n{ANA},Ana,10\n{BIA},Bia,15\n", "--map", "1=nome", "--map", "2=Vencimento")
    assert "2 recipients." in told.stdout


@pytest.mark.parametrize("wrong", ["0", "(11) 98765-4321", "20%", "R$ 19,90"])
def test_a_number_is_no_name(offer, wrong):
    told = offer(f'telefone,nome,desconto\n{ANA},"{wrong}",10%\n{BIA},Bia,15%\n')
    assert "a value that does not fit its column: row 2 (nome is a number, which is no name: correct it)" in told.stdout


def test_an_export_of_a_campaign_is_a_list_for_another(create, house, tmp_path, sql):
    """The way on after a cancel: the status of each row says nothing about whether the person wants messages."""
    create()
    house.ok("campaign", "cancel", "1", "--yes")
    rest = tmp_path / "rest.csv"
    house.ok("campaign", "export", "1", "--status", "cancelled", "--output", str(rest))
    create("Again", "--recipients", str(rest))
    assert sql("SELECT phone FROM messages WHERE campaign_id = 2 ORDER BY id") == [(ANA,), (BIA,)]


def test_a_corrected_file_takes_the_place_of_all_people_of_a_draft(create, house, write, sql):
    create()
    file = write(f"phone,name\n{CAIO},Caio\n{ANA},Ana Maria\n")
    told = house.ok("campaign", "import", "1", file, "--replace").splitlines()
    assert told[:2] == [
        "Campaign 1 (Black Friday): 2 recipients.",
        "  2 people who were in the draft before are removed",
    ]
    assert sql("SELECT phone, variables FROM messages ORDER BY id") == [(CAIO, ["Caio"]), (ANA, ["Ana Maria"])]
    assert house.ok("campaign", "import-errors", "1").strip() == "No row of campaign 1 was rejected."
    result = json.loads(house.ok("campaign", "import", "1", file, "--replace", "--json"))
    assert (result["replaced_count"], result["recipient_count"]) == (2, 2)


def test_only_people_of_a_draft_are_replaced(create, house, people):
    house.ok("campaign", "start", create(), "--yes")
    house.ok("campaign", "pause", "1")
    line = house.refusal("campaign", "import", "1", str(people), "--replace")
    assert line.startswith("Campaign 1 (Black Friday) is paused: only the recipients of a draft can be replaced. ")


def test_the_advice_for_another_column_of_phones_leaves_no_wrong_people(house, offer, write, sql):
    """Some cells of the wrong column are valid phones of other people."""
    content = f"nome,CPF,desconto,Celular\nAna,11987654321,20%,{ANA}\nBia,123,15%,{BIA}\nCaio,456,5%,{CAIO}\n"
    told = offer(content, "--phone-column", "CPF", "--map", "1=nome", "--map", "2=desconto")
    advice = re.search("`revoada (campaign import 1 FILE [^`]*)`", told.stderr)[1]
    words = shlex.split(advice.replace("FILE", write(content)))
    house.ok(*words)
    assert sql("SELECT phone, variables FROM messages ORDER BY id") == [
        (ANA, ["Ana", "20%"]), (BIA, ["Bia", "15%"]), (CAIO, ["Caio", "5%"]),
    ]  # fmt: skip


def test_people_who_would_be_removed_or_would_stay_are_told(create, house, write):
    create()
    file = write(f"nome,telefone,Numero\nAna,11987654321,{ANA}\nBia,123,{BIA}\nCaio,456,{CAIO}\n")
    arguments = ("campaign", "import", "1", file, "--map", "1=nome")
    assert "That also removes 2 people of earlier imports, whose files are" in house(*arguments).stderr
    house.ok("campaign", "start", "1", "--yes")
    house.ok("campaign", "pause", "1")
    file = write(f"nome,telefone,Numero\nAna,11987654322,{ANA}\nBia,123,{BIA}\nCaio,456,{CAIO}\n")
    told = house(*arguments).stderr
    assert "again with that column: `revoada campaign import 1 FILE --phone-column Numero --map 1=nome`." in told
    assert "The campaign has started, so 1 person of this import stays in it." in told


def test_people_with_other_values_in_the_campaign_are_told(create, house, write):
    create()
    file = write(f"phone,name\n{ANA},Ana Maria\n{ANA},Ana Clara\n{BIA},Bianca\n")
    told = house("campaign", "import", "1", file, "--map", "1=name")
    assert "(phone is in the campaign already, with other values)" in told.stdout
    assert "The file has other values for 2 recipients of the campaign. The old values stay." in told.stderr
    assert f"place of the present people: `revoada campaign import 1 {file} --replace --map 1=name`." in told.stderr
    assert json.loads(house.ok("campaign", "import", "1", file, "--map", "1=name", "--json"))["other_values_count"] == 2
    house.ok("campaign", "start", "1", "--yes")
    house.ok("campaign", "pause", "1")
    told = house("campaign", "import", "1", file, "--map", "1=name").stderr
    assert "cancel it with `revoada campaign cancel 1`, and make a new campaign" in told
    assert "`revoada campaign export 1 --output FILE --status cancelled` lists them with their old values: cor" in told
    assert "or give one right value for all people with --set. Give the new campaign its interval and its hours" in told


def test_rows_with_one_phone_and_other_values_are_a_warning(create, house, write):
    create()
    told = house("campaign", "import", "1", write(f"phone,name\n{CAIO},Caio\n{CAIO},Caio Jr\n"), "--map", "1=name")
    assert "The file has 1 row with the phone of an earlier row, but with other values." in told.stderr
    assert "The first of these rows is row 3." in told.stderr


def test_the_command_of_a_warning_has_the_options_of_the_person(house, database, tmp_path, people):
    add_template(database, "oferta", language="pt_BR", body=TEXT, actor=TESTER)
    file = tmp_path / "lista.xlsx"
    with xlsxwriter.Workbook(file) as book:
        for name in ("Clientes", "Outros"):
            for row, cells in enumerate(
                [("Celular", "Telefone", "Cliente", "Taxa"), (ANA, "", "Ana", "1"), (ANA, "", "Bia", "2")]
            ):
                book.get_worksheet_by_name(name) or book.add_worksheet(name)
                book.get_worksheet_by_name(name).write_row(row, 0, cells)
    options = ["--phone-column", "Celular", "--map", "1=Cliente", "--map", "2=Taxa", "--sheet", "Outros"]
    words = (
        "campaign",
        "create",
        "Oferta",
        "--template",
        "oferta:pt_BR",
        "--account",
        "sales",
        "--recipients",
        str(file),
    )
    again = f"`revoada campaign import 1 FILE --replace {' '.join(options)}`"
    assert again in house(*words, *options).stderr


def test_two_questions_about_the_people_of_a_list_are_asked_at_once(offer):
    content = f"telefone,nome,desconto,aceita\n{ANA},Ana,1%,sim\n{BIA},Bia,2%,n\u00e3o\n{CAIO},Caio,3%,\n"
    columns = ("--map", "1=nome", "--map", "2=desconto")
    refused = offer(content, *columns).stderr
    assert "the list says in 1 row that the person wants no messages (aceita; the first is row 3)" in refused
    assert "; and the list does not say in 1 row whether the person wants messages" in refused
    assert offer(content, *columns, "--refusals", "skip", "--no-answer", "skip").exit_code == 0


def test_people_with_the_same_values_are_no_warning(create, house, people, write):
    create()
    told = house("campaign", "import", "1", str(people), "--map", "1=name").stderr
    assert "other values" not in told  # Ana has two rows
    file = write(f"phone,name\n{ANA},Ana\n")
    assert house("campaign", "import", "1", file, "--map", "1=name").stderr == ""


def write_list(people):
    rows = [f"+55119999910{number:02},{name},{cupom}\n" for number, name, cupom in people]
    return "".join(["phone,nome,cupom\n", *rows])


TEN = [(number, f"P{number}", f"C{number}") for number in range(10)]
CORRECTED = [(50, "P0", "C0"), *TEN[1:]]
SECOND = ("--map", "1=nome", "--map", "2=cupom")


@pytest.fixture
def ten(offer, house, write):
    """Makes a draft of ten people; then imports another list of people, and returns what it warns of."""

    def import_second(people, *options):
        offer(write_list(TEN).encode(), *SECOND)
        return house("campaign", "import", "1", str(write(write_list(people).encode())), *SECOND, *options).stderr

    return import_second


def test_a_corrected_file_beside_the_old_one_is_told_with_the_whole_command(ten, house, tmp_path):
    path = tmp_path / "more.csv"
    warned = ten(CORRECTED)
    text = (
        "Warning: The file more.csv seems to be a corrected version of file 1 of the draft. Recipients in both files:"
        " 9; only in more.csv: 1; only in file 1: 1. If phones were corrected, the old phones get a message, too. To"
        " have only the people of more.csv in the draft: `revoada campaign import 1 {file} --replace --map 1=nome --map"
        " 2=cupom`.\n"
    )
    assert text.format(file=path) in warned
    assert text.format(file=path) in house("campaign", "start", "1", "--yes").stderr


def test_the_printed_command_leaves_only_the_corrected_people(ten, house, sql):
    warned = ten(CORRECTED)
    (command,) = [word for word in warned.split("`") if word.startswith("revoada campaign import")]
    assert "seems" not in house(*shlex.split(command)[1:]).stderr
    assert sql("SELECT count(*) FROM messages") == [(10,)]


def test_the_few_corrected_rows_alone_are_told(ten):
    warned = ten(CORRECTED[:1])
    assert "corrected phones of file 1 of the draft: it has the values of 1 recipient of that file" in warned


def test_a_corrected_file_in_a_paused_campaign_is_told_with_the_way_to_block_the_old_phones(offer, house, write):
    offer(write_list(TEN).encode(), *SECOND)
    house.ok("campaign", "start", "1", "--yes")
    house.ok("campaign", "pause", "1")
    warned = house("campaign", "import", "1", str(write(write_list(CORRECTED).encode())), *SECOND).stderr
    text = (
        "Warning: The file more.csv seems to be a corrected version of file 1 of the campaign. Recipients in both"
        " files: 9; only in more.csv: 1; only in file 1: 1. If phones were corrected, the old phones get a message,"
        " too. Before the campaign goes on, block each old phone that is wrong: `revoada suppress add`. A blocked phone"
        " gets no message of any campaign.\n"
    )
    assert text in warned
    assert text in house("campaign", "resume", "1", "--yes").stderr
    house("campaign", "pause", "1")
    assert (
        "corrected phones of file 1 of the campaign"
        in house("campaign", "import", "1", str(write(write_list([(80, "P1", "C1")]).encode())), *SECOND).stderr
    )


@pytest.mark.parametrize(
    "people",
    [
        [*TEN, (60, "New", "C60"), (61, "Newer", "C61")],
        [(70, "Other", "C70"), (71, "Another", "C71")],
        [(70, "P0", "C70"), (71, "P1", "C71")],
        TEN,
        [*TEN[:3], *[(number, f"P{number}", f"C{number}") for number in range(20, 28)]],
    ],
    ids=["grown", "others", "the same names with other codes", "the same", "few in common"],
)
def test_a_file_that_corrects_nothing_is_no_warning(ten, people):
    assert "seems" not in ten(people)


def test_the_people_of_a_third_file_are_named_before_they_are_removed(ten, house, write):
    ten([(number, f"P{number}", f"C{number}") for number in (30, 31)])
    warned = house("campaign", "import", "1", str(write(write_list(CORRECTED).encode())), *SECOND).stderr
    assert "corrected version of file 1 of the draft" in warned
    assert "That also removes 2 recipients of other files, which are to be imported again." in warned


def write_prices(*cells):
    rows = [f"+55119999920{number:02};P;{cell}\n" for number, cell in enumerate(cells)]
    return "".join(["telefone;nome;valor\n", *rows]).encode()


PRICES = ("R$ 10,00", "R$ 20,00", "R$ 30,00", "R$ 1.234,50", "R$ 50,00", "R$ 60,00", "R$ 70,00", "R$ 80,00", "R$ 90,00")
PRICE = ("--map", "1=nome", "--map", "2=valor")


def test_the_numbers_of_dates_behind_until_reject_their_rows(house, database, write):
    add_template(database, "prazo", language="pt_BR", body="Oi {{1}}! O cupom vale até {{2}}. Aproveite.", actor=TESTER)
    file = write(f"telefone;nome;info\n{ANA};Ana;46380\n{BIA};Bia;46380\n".encode(), "lista.csv")
    refused = house(
        *("campaign", "create", "Prazo", "--template", "prazo:pt_BR", "--account", "sales", "--recipients", file),
        *("--map", "1=nome", "--map", "2=info"),
    )
    assert "info is 46380, the number of a date (2026-12-24)" in refused.stdout + refused.stderr


@pytest.mark.parametrize("cell", ["46357", "01/12/2026", "12/2026", "R$ -"])
def test_a_cell_of_another_kind_than_its_column_rejects_its_row_with_row_column_and_cell(offer, house, cell):
    result = offer(write_prices(*PRICES, cell), *PRICE)
    assert "9 recipients, 1 row rejected" in result.stdout
    (line,) = [line for line in result.stdout.splitlines() if "row 11 (valor is " in line]
    assert cell in line
    assert house.json("campaign", "import-errors", "1")[0]["row_number"] == 11


@pytest.mark.parametrize(
    ("cell", "form"),
    [
        ("R$ 0,00", "with zero"),
        ("grátis", "with a text"),
        ("12,00", "with a number only"),
        ("R$ 1.234.50", "with a text"),
        ("R$ -35,00", "with a negative number"),
    ],
)
def test_a_cell_that_may_be_meant_is_warned_of_at_the_import_and_at_the_start(offer, house, cell, form):
    warning = (
        "Warning: The cells of the column valor are of several kinds: 9 with a currency (row 2: R$ 10,00)"
        f", 1 {form} (row 11: {cell}). Read these rows. If a cell is wrong, correct the file, and import it again:"
        " `revoada campaign import 1 FILE --replace --map 1=nome --map 2=valor`.\n"
    )
    result = offer(write_prices(*PRICES, cell), *PRICE)
    assert (warning in result.stderr, "10 recipients." in result.stdout) == (True, True), result.output
    assert warning in house("campaign", "start", "1", "--yes").stderr


@pytest.mark.parametrize("cell", ["46357", "R$ 0,00"])
def test_a_person_can_take_cells_of_another_kind(offer, cell):
    result = offer(write_prices(*PRICES, cell), *PRICE, "--allow-null")
    assert ("10 recipients." in result.stdout, "of several kinds" in result.stderr) == (True, False)


def test_a_number_of_a_date_and_a_zero_are_found_in_a_column_of_mixed_amounts(offer):
    result = offer(write_prices("R$ 10,00", "20,50", "30", "a combinar", "46357", "0"), *PRICE)
    reason = "row 6 (valor is 46357, which may be the number of a date: write it like the other amounts, or correct it)"
    assert reason in result.stdout
    assert (
        "The cells of the column valor are of several kinds: 2 with a number only (row 3: 20,50), 1 with a currency"
        " (row 2: R$ 10,00), 1 with a text (row 5: a combinar), 1 with zero (row 7: 0)."
    ) in result.stderr


@pytest.mark.parametrize(
    "case",
    [((400, 90), "Vence em", True), ((400, 0), "Vence em", False), ((400, 90), "Est\u00e1 vencida desde", False)],
    ids=["all past", "one to come", "a reminder"],
)
def test_due_dates_that_are_all_past_are_warned_of_at_the_import_and_at_the_start(house, database, write, case):
    days, text, is_told = case
    today = dt.datetime.now(dt.UTC).date()
    first, latest = (f"{today - dt.timedelta(days=each):%d/%m/%Y}" for each in days)
    add_template(database, "fatura", language="pt_BR", body=f"Oi {{{{1}}}}! {text} {{{{2}}}}.", actor=TESTER)
    file = write(f"phone,nome,vencimento\n{ANA},Ana,{first}\n{BIA},Bia,{latest}\n")
    options = ("--template", "fatura:pt_BR", "--account", "sales", "--map", "1=nome", "--map", "2=vencimento")
    told = house("campaign", "create", "Fatura", "--recipients", file, *options).stderr
    warning = f"All dates of the column vencimento are in the past. The latest is {latest} in row 3."
    assert (warning in told) is is_told
    assert (warning in house("campaign", "start", "1", "--yes").stderr) is is_told


def test_a_month_among_dates_rejects_its_row(offer):
    result = offer(write_prices("01/12/2026", "02/12/2026", "03/12/2026", "12/2026"), *PRICE)
    reason = "row 5 (valor is 12/2026, but nearly all other cells of the column are dates with day, month and year"
    assert f"{reason}: correct it)" in result.stdout


@pytest.mark.parametrize("prices", [PRICES[:1], PRICES], ids=["one row", "many rows"])
def test_a_file_whose_cells_are_swapped_contradicts_the_first_file(offer, house, write, prices, tmp_path):
    offer(write_prices(*prices).replace(b"nome", b"cliente"), "--map", "1=cliente", "--map", "2=valor")
    swapped = "telefone;cliente;valor\n+5511999993001;10,00;Ana\n+5511999993002;20,00;Bia\n+5511999993003;30,00;Caio\n"
    result = house("campaign", "import", "1", write(swapped, "mais.csv"))
    warning = (
        "Warning: File 2 (mais.csv) has values of another kind than file 1 (lista.csv): cliente (the first in row"
        " 2), valor (the first in row 2). Read the first message of each file. If cells of file 2 are in the"
        f" wrong column, correct it. Then begin again with `revoada campaign import 1 {tmp_path / 'lista.csv'}"
        " --replace --map 1=cliente --map 2=valor`, and import the corrected file.\n"
    )
    assert warning in result.stderr
    assert warning in house("campaign", "start", "1", "--yes").stderr


def test_a_file_of_the_same_kinds_contradicts_nothing(offer, house, write):
    offer(write_prices(*PRICES), *PRICE)
    more = "telefone;nome;valor\n+5511999993001;Ana;R$ 10,00\n+5511999993002;Bia;R$ 0,00\n+5511999993003;Plano 2;R$ 1\n"
    assert "another kind" not in house("campaign", "import", "1", write(more, "mais.csv")).stderr


UNANSWERED = f"phone,1,2,Aceita WhatsApp?\n{ANA},Ana,1%,sim\n{BIA},Bia,2%,\n{CAIO},Caio,3%,n\u00e3o informado\n"


def test_a_list_in_which_people_gave_no_answer_is_refused_until_a_person_decides(offer):
    refused = offer(UNANSWERED)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert (
        "the list does not say in 2 rows whether the person wants messages (no answer in Aceita WhatsApp?; the first"
        " is row 3). These words count as no answer: não informado (row 4). Leave these people out with --no-answer"
        " skip, or read them like the others with --no-answer include; if a column says nothing about messages, say so"
        " with --not-refusals 'Aceita WhatsApp?'." in refused.stderr
    )
    left_out = offer(UNANSWERED, "--no-answer", "skip")
    assert left_out.stdout.startswith("Campaign 1 (Oferta): 1 recipient, left out: 2 gave no answer.\n")
    assert (
        "  2 rows of people who have not said whether they want messages, left out by --no-answer skip: row 3, row 4\n"
    ) in left_out.stdout
    assert ": 3 recipients.\n" in offer(UNANSWERED, "--not-refusals", "Aceita WhatsApp?").stdout


def test_people_without_an_answer_who_are_read_all_the_same_are_told_at_the_import_and_at_the_start(offer, house):
    told = offer(UNANSWERED, "--no-answer", "include")
    warning = (
        "Warning: The list does not say in 2 rows whether the person wants messages (no answer in Aceita WhatsApp?)."
        " These people are in the campaign like the others. The first of them is in row 3. These words count as no"
        " answer: não informado (row 4). To leave these people out, import the file again: `revoada campaign import 1"
        " FILE --replace --no-answer skip`.\n"
    )
    assert (told.stderr, ": 3 recipients.\n" in told.stdout) == (warning, True)
    assert warning in house("campaign", "start", "1", "--yes").stderr


def test_words_that_are_neither_a_yes_nor_a_no_are_named_and_decided_like_an_empty_cell(offer):
    answers = ["Y", "N", "pending", "TBC", "pending", "Y", "Y", "N"]
    rows = "".join(f"+551199999{number:04},Ana {number},1%,{each}\n" for number, each in enumerate(answers))
    told = "These words count as no answer: pending (2 rows: row 4, row 6), TBC (row 5)."
    for column in ("Consent", "Zapp?"):
        content, refusals = f"phone,1,2,{column}\n{rows}", ("--refusals", "skip")
        assert told in offer(content, *refusals).stderr
        left_out = offer(content, *refusals, "--no-answer", "skip")
        assert ": 3 recipients, left out: 2 said no, 3 gave no answer.\n" in left_out.stdout
        assert "  these words count as no answer: pending (2 rows: row 4, row 6), TBC (row 5)\n" in left_out.stdout
        taken = offer(content, *refusals, "--no-answer", "include")
        assert told in taken.stderr
        assert ": 6 recipients, left out: 2 said no.\n" in taken.stdout


def test_two_questions_name_the_option_for_other_columns_once(offer):
    rows = f"phone,1,2,status,GDPR\n{ANA},Ana,1%,unsubscribed,yes\n{BIA},Bia,2%,,yes\n{CAIO},Caio,3%,,\n"
    refused = offer(rows).stderr
    assert refused.count("says nothing about messages") == 1
    assert "say so with --not-refusals status --not-refusals GDPR." in refused


def test_rows_with_the_same_reason_name_it_once(offer):
    told = offer(f"phone,1,2\n{ANA},Ana,1%\n551199,Bia,2%\n551188,Caio,3%\n551177,Davi,4%\n").stdout
    (line,) = [each for each in told.splitlines() if "invalid phone" in each]
    assert ": row 3, row 4, row 5: phone " in line


def test_each_column_of_answers_needs_an_answer(offer):
    rows = f"phone,1,2,consentimento,aceita,newsletter\n{ANA},Ana,1%,sim,sim,\n{BIA},Bia,2%,sim,,\n"
    refused = offer(rows)
    assert "in 1 row whether the person wants messages (no answer in aceita; the first is row 3)" in refused.stderr
    assert ": 1 recipient, left out: 1 gave no answer.\n" in offer(rows, "--no-answer", "skip").stdout
    assert ": 2 recipients.\n" in offer(rows, "--not-refusals", "aceita").stdout


def test_a_refusal_names_all_columns_without_an_answer(offer):
    refused = offer(f"phone,1,2,opt-in,newsletter\n{ANA},Ana,1%,sim,x\n{BIA},Bia,2%,,\n")
    assert "(no answer in opt-in, newsletter; the first is row 3)" in refused.stderr
    assert "say so with --not-refusals opt-in --not-refusals newsletter." in refused.stderr


def test_a_column_that_says_more_about_the_answer_may_be_empty(offer):
    rows = f"phone,1,2,aceita,data do aceite,consentimento\n{ANA},Ana,1%,sim,1/12/2026,site\n{BIA},Bia,2%,Sim,,\n"
    assert ": 2 recipients.\n" in offer(rows).stdout


def test_missing_answers_stand_in_the_json(offer):
    result = json.loads(offer(UNANSWERED, "--no-answer", "skip", "--json").stdout)
    assert (result["unanswered_rows"], result["unanswered_columns"]) == (2, ["Aceita WhatsApp?"])
    assert (result["skips_unanswered"], result["problems"]) == (True, {"consent_unanswered": 2})


@pytest.mark.parametrize(
    "rows",
    [
        f"phone,1,2,opt-out\n{ANA},Ana,1%,\n",
        f"phone,1,2,whatsapp\n{ANA},Ana,1%,\n".replace("phone,1,2", "celular,1,2"),
        f"phone,1,2,opt-in e-mail\n{ANA},Ana,1%,\n",
        f"phone,1,2,aceita,optin\n{ANA},Ana,1%,,sim\n",
        f"phone,1,2,aceita\n{ANA},Ana,1%,x\n",
        f"phone,1,2,origem\n{ANA},Ana,1%,\n",
    ],
    ids=["refusals", "channel", "another subject", "answered in another column", "a mark", "no question"],
)
def test_an_empty_cell_that_asks_nothing_of_a_person_needs_no_decision(offer, rows):
    result = offer(rows, "--phone-column", rows.partition(",")[0])
    assert ": 1 recipient.\n" in result.stdout, result.output


def test_a_yes_in_another_row_of_the_person_is_an_answer(offer):
    rows = f"phone,1,2,aceita\n{ANA},Ana,1%,\n{ANA},Ana,1%,sim\n"
    assert ": 1 recipient, left out: 1 gave no answer.\n" in offer(rows, "--no-answer", "skip").stdout
