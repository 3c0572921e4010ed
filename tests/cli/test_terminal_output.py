"""Text from outside controls nothing: no terminal, no log line, no file."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import unicodedata
from pathlib import Path

import pytest

from campaigns.cli import output
from campaigns.cli.root import main
from campaigns.config import Settings
from campaigns.domain.controls import escape_controls, escape_in_json
from campaigns.logs import configure_logging, event
from tests.cli.conftest import ANA, BIA
from tests.golden.gather import list_commands
from tests.store.rows import fetch, receive
from tests.webhooks.webhook_bodies import AT, make_body, make_value

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x08\x7f\u202e\u2066\u200f\u2028\u2029\x85\rINFO forged\n2026 INFO forged"
# Postgres and a command line take no NUL.
CATEGORIES = {"Cc", "Zl", "Zp", "Cs"}
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def find_controls(text, allowed="\n"):
    """Return the control characters of a text."""
    return sorted(
        {
            ascii(each)
            for each in text
            if each not in allowed and (unicodedata.category(each) in CATEGORIES or each in BIDI)
        }
    )


@pytest.fixture
def evil_house(house, database, people):
    """An installation in which all text from outside is evil."""
    people.write_text(f'phone,name\n{ANA},Ana\n{BIA},"{EVIL}"\n"{EVIL}",Caio\n', encoding="utf-8", newline="")
    evil_list = people.rename(people.with_name(f"list{EVIL.replace('/', '')}.csv"))
    created = house(
        *("campaign", "create", "Sale", "--template", "promo:pt_BR", "--account", "sales"),
        *("--recipients", str(evil_list)),
    )
    assert created.exit_code == 0, created.output
    assert find_controls(created.output) == []
    fetch(
        database,
        "UPDATE messages SET status = 'failed', account_id = 1, claimed_at = now(), send_no = 1, attempts = 1,"
        " failed_at = now(), error_code = 131026, error_title = %s, error_details = %s WHERE phone = %s",
        EVIL, EVIL, ANA,
    )  # fmt: skip
    fetch(database, "UPDATE messages SET variables = ARRAY[%s], consent = %s", EVIL, EVIL)
    fetch(database, "UPDATE campaigns SET name = %s", f"Sale {EVIL}")
    errors = json.dumps([{"code": 190, "title": EVIL, "details": EVIL, "fbtrace_id": EVIL, "message_id": 1}])
    health = json.dumps({"verified_name": EVIL, "quality_rating": EVIL, "status": EVIL, "display_phone_number": EVIL})
    fetch(
        database,
        "UPDATE accounts SET name = name || %s, failures = %s, consecutive_failures = 1, health = %s,"
        " health_checked_at = now() WHERE id = 1",
        EVIL, errors, health,
    )  # fmt: skip
    fetch(database, "UPDATE templates SET quality = %s", EVIL)
    details = json.dumps({"field": EVIL, "event": EVIL})
    fetch(database, "INSERT INTO account_events (account_id, kind, details) VALUES (1, 'reported', %s)", details)
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES (%s, 10)", EVIL)
    text = {"body": f"{EVIL} quero sair {EVIL} cancelar"}
    answer = {"from": ANA[1:], "type": "text", "text": text, "timestamp": str(AT)}
    receive(database, make_body(make_value(messages=[answer])))
    house.ok("suppress", "add", "+5511977770000", "--reason", EVIL)
    return house


SHOWING = [
    ("account", "list"), ("account", "show", "1"), ("portfolio", "list"), ("template", "list"),
    ("template", "show", "promo:pt_BR"), ("campaign", "list"), ("campaign", "show", "1"), ("campaign", "errors", "1"),
    ("campaign", "preview", "1"), ("campaign", "import-errors", "1"), ("campaign", "retry", "1", "--dry-run"),
    ("campaign", "start", "1"), ("campaign", "pause", "1"), ("campaign", "cancel", "1"),
    ("campaign", "watch", "1"), ("suppress", "list"), ("optouts", "review"), ("doctor",), ("doctor", "1"),
    ("check-setup",), ("retention", "--days", "1", "--dry-run"), ("rekey",),
    ("recover", "--since", "2026-01-01 00:00", "--dry-run"),
]  # fmt: skip


@pytest.mark.parametrize("is_json", [False, True], ids=["text", "json"])
def test_no_command_prints_a_control_character_of_data(evil_house, is_json):
    taking_json = {
        " ".join(path) for path, each in list_commands(main) if any(p.name == "as_json" for p in each.params)
    }
    printed = ""
    for command in SHOWING:
        options = ("--json",) if is_json and any(" ".join(command).startswith(each) for each in taking_json) else ()
        if is_json and not options:
            continue
        result = evil_house(*command, *options)
        assert result.exception is None or isinstance(result.exception, SystemExit), (command, result.exception)
        assert find_controls(result.stdout + result.stderr) == [], command
        assert not [line for line in result.output.splitlines() if line.startswith(("INFO forged", "2026 INFO"))], (
            command
        )
        printed += result.stdout
    assert "u202e" in printed  # the evil text was shown at all


def test_no_error_prints_a_control_character_of_what_was_typed(evil_house):
    for command in (
        ("campaign", "show", EVIL), ("account", "show", EVIL), ("template", "show", EVIL), ("suppress", "add", EVIL),
        ("campaign", "import", "1", EVIL), ("campaign", "export", "1", "--output", f"/nowhere/{EVIL}"), (EVIL,),
        ("keygen", "--env-file", f"/nowhere/{EVIL}"), ("campaign", "create", "x", f"--{EVIL}"),
    ):  # fmt: skip
        result = evil_house(*command)
        assert result.exit_code in {1, 2}, command
        assert find_controls(result.output) == [], command


def test_json_says_the_same_as_the_database(evil_house):
    assert evil_house.json("campaign", "show", "1")["name"].startswith("Sale \x1b[2J")


def test_an_export_has_no_control_character_but_line_breaks_in_cells(evil_house):
    text = evil_house.ok("campaign", "export", "1")
    assert find_controls(text, "\n\r\t\ufeff") == []
    row = next(row for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))) if row["phone"] == ANA)
    assert find_controls(row["error_title"], "\n\t") == []
    assert "\\x1b[2J" in row["error_title"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_log_line_is_one_line_without_control_characters(log_format, capsys):
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        configure_logging(Settings(log_format=log_format))
        bound = event("x", title=EVIL, more=[EVIL, {"a": EVIL}])
        logging.getLogger("campaigns").error("Meta says %s", EVIL, exc_info=ValueError(EVIL), extra=bound)
        text = capsys.readouterr().err
    finally:
        root.handlers[:], root.level = before
    assert find_controls(text) == []
    first, *trace = text.splitlines()
    assert "u202e" in first
    assert all(line.startswith("  ") for line in trace)
    if log_format == "json":
        assert (trace, json.loads(first)["title"]) == ([], EVIL)


def test_the_filter_escapes_every_control_character_and_nothing_else():
    everything = "".join(map(chr, range(0x110000)))
    changed = {each for each in everything if escape_controls(each) != each}
    assert changed == {each for each in everything if unicodedata.category(each) in CATEGORIES or each in BIDI}
    assert find_controls(escape_controls(everything), "") == []
    assert escape_controls("a\nb\u202e", keeps="\n") == "a\nb\\u202e"
    assert escape_controls("João 👩\u200d👩\u200d👧 ₹ 日本 \xa0") == "João 👩\u200d👩\u200d👧 ₹ 日本 \xa0"


def test_json_with_escapes_has_the_same_value():
    value = {EVIL: [EVIL, "\ud800", "👩\u200d👩"]}
    text = escape_in_json(json.dumps(value, ensure_ascii=False, indent=2))
    assert find_controls(text) == []
    assert json.loads(text) == value


def test_commands_print_by_the_filters_only():
    folder = Path(output.__file__).parent
    for file in folder.glob("*.py"):
        if file.name == "output.py":
            continue
        text = file.read_text()
        printing = r"click\.(echo|secho|confirm)\(|(?<![.\w])print\(|sys\.std(out|err)\.write"
        assert not re.search(printing, text), file.name
        for call in re.findall(r"console\.print\(([^\n]*)", text):
            assert call.startswith(("to_text(", "Panel(text,")), (file.name, call)
