from __future__ import annotations

import csv
import os
import pty
import re
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.sheets.test_xlsx import write_rows

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
    assert house.ok("campaign", "import", create(), file, "--map", "1=nome").splitlines() == [
        "Campaign 1 (Black Friday): 1 recipient, 1 duplicate dropped, 1 row rejected.",
        "  row 4: Celular has letters in it",
        "  1 column ignored: Cidade",
    ]


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
    house.ok("campaign", "import", create(), file, REVOADA_REGION="PT")
    assert sql("SELECT phone FROM messages ORDER BY id DESC LIMIT 1") == [("+351912345678",)]


def test_import_is_for_drafts_and_paused_campaigns(create, house, people):
    house.ok("campaign", "start", create())
    line = house.refusal("campaign", "import", "1", str(people))
    assert line == "Campaign 1 (Black Friday) is pending: pause it to add recipients."
    house.ok("campaign", "pause", "1")
    assert "0 recipients, 3 duplicates dropped, 1 row rejected." in house.ok("campaign", "import", "1", str(people))
    house.ok("campaign", "cancel", "1")
    line = house.refusal("campaign", "import", "1", str(people))
    assert line == "Campaign 1 (Black Friday) is cancelled: it takes no more recipients."
    assert house.refusal("campaign", "import", "9", str(people)) == "Campaign 9 does not exist."


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--map", "nome"), "'nome' is not VARIABLE=COLUMN, such as 1=nome."),
        (("--map", "1="), "'1=' is not VARIABLE=COLUMN, such as 1=nome."),
        (("--map", "1=a", "--map", "1=b"), "--map names the variable 1 twice."),
        (("--region", "Brasil"), "'Brasil' must be a country of two letters such as BR."),
    ],
)
def test_options_that_make_no_sense_are_refused(create, house, people, options, reason):
    assert reason in house.refusal("campaign", "import", create(), str(people), *options, exit_code=2)


def test_columns_that_fit_nothing_are_listed_with_a_proposal(create, house, write):
    line = house.refusal("campaign", "import", create(), write(f"phone,nome,cidade\n{ANA},Ana,Rio\n"))
    assert line.endswith("the file has 2 columns for them (nome, cidade): say which is which with --map '1=COLUMN'.")


def test_people_and_files_of_other_campaigns_are_a_warning(create, house, people, write):
    assert house("campaign", "import", create("One"), write(f"phone,name\n{CAIO},Caio\n")).stderr == ""
    result = house(
        "campaign", "create", "Two", "--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people)
    )
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: 2 of 2 recipients are also in campaign 1 (One), a draft made today, which has the very same file.\n"
    )
    assert house(
        "campaign", "import", create("Three"), write(f"phone,name\n{CAIO},Caio\n", "other.csv")
    ).stderr.splitlines() == [
        "Warning: 3 of 3 recipients are also in campaign 1 (One), a draft made today, which has the very same file.",
        "Warning: 2 of 3 recipients are also in campaign 2 (Two), a draft made today, which has the very same file.",
    ]


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


def test_many_overlaps_are_not_all_listed(create, house):
    for number in range(7):
        create(f"Sale {number}")
    lines = house("campaign", "import", "1", "people.csv").stderr.splitlines()
    assert len(lines) == 6
    assert lines[-1] == "Warning: some are also in 1 more campaigns."


def test_import_errors_are_listed_exported_and_never_show_a_phone(create, house, write, tmp_path):
    campaign_id = create()
    house.ok("campaign", "import", campaign_id, write(f"phone,observa\u00e7\u00e3o\n{CAIO}/{BIA},x\n{CAIO},\n"))
    rows = [
        ("people.csv", 5, "phone", "is not a valid phone number in BR: others need + and the country code"),
        ("more.csv", 2, "phone", "has more than one number in it, or something beside it"),
        ("more.csv", 3, "observa\u00e7\u00e3o", "is empty"),
    ]
    listed = house.json("campaign", "import-errors", campaign_id)
    assert [tuple(row.values()) for row in listed] == rows
    table = house.ok("campaign", "import-errors", campaign_id)
    for row in rows:
        assert row[3] in table
    output = tmp_path / "errors.csv"
    told = house.ok("campaign", "import-errors", campaign_id, "--output", str(output), "--delimiter", ";")
    assert told == f"{output}: 3 rows.\n"
    assert output.read_bytes().startswith(b"\xef\xbb\xbffile;row;column;reason\r\n")
    with output.open(encoding="utf-8-sig", newline="") as file:
        assert list(csv.reader(file, delimiter=";"))[1:] == [[name, str(row), *rest] for name, row, *rest in rows]
    assert "99999" not in table + output.read_text()


def test_a_list_of_excel_is_sent_as_excel_shows_it_or_refused_with_sheet_cell_and_reason(create, house, write):
    rows = [["phone", "desconto"], [ANA, (0.2, "0%")], [5511999990002, (0.125, "0.0%")], [CAIO, (0.5, "# ?/?")]]
    campaign_id = create("Sale", "--recipients", write(write_rows(*rows), "lista.xlsx"))
    preview = house.ok("campaign", "preview", campaign_id)
    assert "Oi 20%!" in preview
    assert "Oi 12,5%!" in preview
    (error,) = house.json("campaign", "import-errors", campaign_id)
    assert (error["file_name"], error["row_number"], error["column_name"]) == ("lista.xlsx", 4, "desconto")
    assert error["reason"].startswith("in Plan1!B4 has the number format # ?/?, which shows a fraction: ")
    assert "in Plan1!B4 has the number format" in house.ok("campaign", "show", campaign_id).replace("\n", " ")


def test_a_campaign_without_import_errors_says_so(create, house, write):
    campaign_id = create("Sale", "--recipients", write(f"phone,name\n{ANA},Ana\n"))
    assert house.ok("campaign", "import-errors", campaign_id) == "No row of campaign 1 was rejected.\n"
    assert house.json("campaign", "import-errors", campaign_id) == []
    assert house.refusal("campaign", "import-errors", "9") == "Campaign 9 does not exist."


def test_a_long_list_of_import_errors_says_how_many_more(create, house, write):
    campaign_id = create("Sale", "--recipients", write("phone,name\n" + "x,y\n" * 150))
    assert (
        house.ok("campaign", "import-errors", campaign_id).splitlines()[-1] == "… and 50 more: --output FILE has all."
    )
    assert len(house.json("campaign", "import-errors", campaign_id)) == 150


def test_import_errors_go_to_one_place(create, house):
    line = house.refusal("campaign", "import-errors", create(), "--json", "--output", "x.csv", exit_code=2)
    assert line.startswith("Give --output or --json, not both.")


def test_what_a_second_file_lacks_is_what_is_shown(create, house, write):
    output = house.ok("campaign", "import", create(), write(f"phone,name\n{CAIO},\n"))
    assert "  row 2: name is empty" in output.splitlines()
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
    ]
    environment = {key: value for key, value in house.environment.items() if value is not None}
    environment |= {"PATH": os.environ["PATH"], "TERM": "xterm-256color"}
    exit_code, stdout, shown = run_in_terminal(command, environment)
    told = "Campaign 1 (Black Friday): 60,000 recipients.\n"
    assert (exit_code, stdout) == (0, told), shown
    assert "reading [people].csv" in shown
    assert {int(percent) for percent in re.findall(r"(\d+)%", shown)} - {0, 100}
    assert "writing" in shown
    assert shown.endswith("\x1b[2K")  # the bar is gone when its work is done
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert piped.stderr == ""
    assert piped.stdout == told.replace("60,000 recipients", "0 recipients, 60,000 duplicates dropped")
