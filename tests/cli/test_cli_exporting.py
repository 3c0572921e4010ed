from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest

from campaigns.management import exports
from campaigns.management.exports import export_campaign
from tests.cli.conftest import ANA, BIA
from tests.store.rows import add_campaign, add_messages, fetch
from tests.support.actors import TESTER

COLUMNS = [
    *("phone", "1", "status", "sent_at", "delivered_at", "read_at", "failed_at", "error_code", "error_title"),
    *("error_details", "attempts", "account", "wamid", "pricing_category", "pricing_model", "billable", "consent"),
    "replied_at",
]


@pytest.fixture
def sale(create, database):
    """A campaign with Ana, who got hers, and Bia, whose failed."""
    campaign_id = create()
    database.run(
        lambda connection: connection.execute(
            "UPDATE messages SET status = 'read', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1,"
            " wamid = 'wamid.1', sent_at = '2026-10-01T12:00Z', read_at = '2026-10-01T12:00:05Z',"
            " pricing_category = 'marketing', pricing_model = 'PMP', is_billable = true, consent = '=site',"
            " replied_at = '2026-10-01T12:01Z' WHERE id = 1"
        )
    )
    database.run(
        lambda connection: connection.execute(
            "UPDATE messages SET status = 'failed', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1,"
            " failed_at = '2026-10-01T12:00Z', error_code = 131026, error_title = '=Undeliverable',"
            " error_details = 'one;two' WHERE id = 2"
        )
    )
    return campaign_id


def read(text, delimiter=","):
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_an_export_tells_what_became_of_each_message(house, sale):
    output = house.ok("campaign", "export", sale)
    assert output.startswith("\ufeffphone,")
    rows = read(output.removeprefix("\ufeff"))
    assert list(rows[0]) == COLUMNS
    ana, bia = rows
    assert (ana["phone"], ana["1"], ana["status"], ana["account"], ana["wamid"]) == (
        *(ANA, "Ana", "read", "sales", "wamid.1"),
    )
    assert (ana["sent_at"], ana["read_at"]) == ("2026-10-01T09:00:00-03:00", "2026-10-01T09:00:05-03:00")
    assert (ana["pricing_category"], ana["pricing_model"], ana["billable"]) == ("marketing", "PMP", "yes")
    assert (ana["consent"], bia["consent"]) == ("'=site", "")
    assert (ana["replied_at"], bia["replied_at"]) == ("2026-10-01T09:01:00-03:00", "")
    assert (bia["phone"], bia["error_code"], bia["error_title"]) == (BIA, "131026", "'=Undeliverable")
    assert (bia["failed_at"], bia["sent_at"], bia["attempts"]) == ("2026-10-01T09:00:00-03:00", "", "1")


@pytest.mark.parametrize(("word", "delimiter"), [(";", ";"), ("tab", "\t"), ("|", "|")])
def test_an_export_takes_another_delimiter(house, sale, word, delimiter):
    output = house.ok("campaign", "export", sale, "--delimiter", word)
    rows = read(output.removeprefix("\ufeff"), delimiter)
    assert list(rows[0]) == COLUMNS
    assert rows[1]["error_details"] == "one;two"


def test_an_export_of_some_statuses_has_no_others(house, sale):
    output = house.ok("campaign", "export", sale, "--status", "failed,uncertain")
    assert [row["phone"] for row in read(output.removeprefix("\ufeff"))] == [BIA]


def test_an_export_of_none_has_its_header(house, sale):
    output = house.ok("campaign", "export", sale, "--status", "held")
    assert output.splitlines() == [f"\ufeff{','.join(COLUMNS)}"]


def test_formulas_of_people_do_not_run_and_phones_may_be_quoted(house, create, people):
    people.write_text(f"phone,name\n{ANA},=1+1\n{BIA},-5\n")
    campaign_id = create("Sale", "--allow-null")
    rows = read(house.ok("campaign", "export", campaign_id).removeprefix("\ufeff"))
    assert [(row["phone"], row["1"]) for row in rows] == [(ANA, "'=1+1"), (BIA, "'-5")]
    rows = read(house.ok("campaign", "export", campaign_id, "--quote-phones").removeprefix("\ufeff"))
    assert rows[0]["phone"] == f"'{ANA}"


def test_phone_and_variables_of_an_export_are_recipients_again(house, create, sale, people, database):
    rows = list(csv.reader(io.StringIO(house.ok("campaign", "export", sale))))
    people.write_text("".join(f"{row[0]},{row[1]}\n" for row in rows), encoding="utf-8")
    again = create()
    statement = "SELECT phone, variables FROM messages WHERE campaign_id = %s ORDER BY id"
    assert fetch(database, statement, int(sale)) == fetch(database, statement, int(again))


@pytest.mark.parametrize("status", ["sent", "delivered", "read"])
def test_a_row_of_a_message_that_was_sent_has_no_failure(house, sale, database, status):
    fetch(
        database,
        "UPDATE messages SET status = %s::message_status, failed_at = now(), error_code = 131026, error_title = 'No',"
        " error_details = 'second device', delivered_at = now(), read_at = now() WHERE id = 1",
        status,
    )
    rows = read(house.ok("campaign", "export", sale).removeprefix("\ufeff"))
    names = ("failed_at", "error_code", "error_title", "error_details")
    assert [rows[0][name] for name in ("status", *names)] == [status, "", "", "", ""]
    assert rows[1]["error_code"] == "131026"


def test_a_file_is_written_whole_and_only_for_its_owner(house, sale, tmp_path):
    file = tmp_path / "report.csv"
    file.write_text("old")
    assert house.ok("campaign", "export", sale, "--output", str(file)) == f"2 messages written to {file}.\n"
    assert len(read(file.read_text(encoding="utf-8-sig"))) == 2
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.csv", "report.csv"]


def test_an_export_that_breaks_off_leaves_the_old_file_and_nothing_else(house, sale, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    file = tmp_path / "report.csv"
    file.write_text("old")
    monkeypatch.setattr(exports, "_write", fail)
    line = house.refusal("campaign", "export", sale, "--output", str(file))
    assert line == (
        f"The disk with {tmp_path} is full, so {file} was not written. Free some space, or choose another folder."
    )
    assert file.read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["people.csv", "report.csv"]


@pytest.mark.parametrize("command", ["export", "import-errors"])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("no/report.csv", "The folder {0}/no does not exist, so {0}/no/report.csv was not written. Make the folder"),
        ("people.csv/report.csv", "{0}/people.csv is not a folder, so {0}/people.csv/report.csv was not written."),
        (f"{'x' * 300}.csv", f"The name {{0}}/{'x' * 300}.csv is too long, so nothing was written."),
    ],
)
def test_a_file_that_cannot_be_made_is_refused_by_the_name_that_the_person_gave(  # noqa: PLR0917
    house, sale, tmp_path, command, name, line
):
    before = sorted(tmp_path.iterdir())
    refusal = house.refusal("campaign", command, sale, "--output", str(tmp_path / name))
    assert refusal.startswith(line.format(tmp_path))
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_is_no_file(house, sale, tmp_path):
    (tmp_path / "reports").mkdir()
    for command in ("export", "import-errors"):
        line = house.refusal("campaign", command, sale, "--output", str(tmp_path / "reports"), exit_code=2)
        assert "reports' is a directory" in line


@pytest.mark.parametrize(
    ("options", "reason"), [(("--status", "lost"), "'lost' is not a status of a message"), (("--delimiter", "x"), "")]
)
def test_an_export_that_makes_no_sense_is_refused(house, sale, options, reason):
    assert reason in house.refusal("campaign", "export", sale, *options, exit_code=2)


def test_a_reader_that_has_seen_enough_ends_it_quietly(house, sale, database):
    fetch(
        database,
        "INSERT INTO messages (campaign_id, phone, recipient_key) SELECT %s, '+5521' || 900000000 + n, n"
        " FROM generate_series(1, 20000) n",
        int(sale),
    )
    environment = os.environ | {name: value for name, value in house.environment.items() if value is not None}
    command = [Path(sys.executable).with_name("revoada"), "campaign", "export", sale]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_export_to_a_full_disk_says_that_it_is_not_complete(house, sale):
    environment = os.environ | {name: value for name, value in house.environment.items() if value is not None}
    command = [Path(sys.executable).with_name("revoada"), "campaign", "export", sale]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    line = "Error: The disk is full, so the output is not complete. Free some space, and run the command again.\n"
    assert done.stderr == line


def test_the_pages_of_an_export_hold_each_message_once_and_little_memory(database):
    campaign_id = database.run(add_campaign)
    database.run(add_messages, campaign_id, 1)
    fetch(
        database,
        "INSERT INTO messages (campaign_id, phone, recipient_key, variables)"
        " SELECT %s, '+5521' || 900000000 + n, n, ARRAY['Ana', '20%%']"
        " FROM generate_series(1, 20000) n",
        campaign_id,
    )
    exported = export_campaign(database, campaign_id, actor=TESTER)
    assert (exported.row_count, exported.columns[:3]) == (20_001, ["phone", "variable 1", "variable 2"])
    first, row_count, peaks = [], 0, []
    tracemalloc.start()
    for page in exported.pages:
        assert all(len(row) == len(exported.columns) for row in page)
        first.append(page[0][0])
        row_count += len(page)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    assert (row_count, len(set(first))) == (20_001, 5)
    assert peaks[-1] < 1.5 * peaks[1]
