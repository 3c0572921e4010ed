"""`--json`: every command that prints a result has it, and then each line on stderr is JSON, too."""

from __future__ import annotations

import json

import click
import pytest

from campaigns.cli.root import main
from tests.cli.conftest import quiet_hours
from tests.golden.gather import list_commands

# Commands without --json, each with the reason.
WITHOUT = {
    "campaign export": "its result is CSV, which programs read",
    "completion": "prints a program for a shell",
    "demo": "runs until it is stopped, and has no result",
    "prices example": "prints a CSV file, which a person edits",
    "keygen": "prints the key and nothing else",
    "simulate": "runs until it is stopped, and has no result",
    "up": "runs until it is stopped, and has no result",
}


def test_every_command_but_a_few_has_json():
    without = {
        " ".join(path)
        for path, command in list_commands(main)
        if not isinstance(command, click.Group) and all("--json" not in each.opts for each in command.params)
    }
    assert without == set(WITHOUT)


@pytest.fixture
def refuse(revoada):
    """Runs a command with --json that must be refused; returns the error."""

    def run(*arguments, exit_code=1, **environment):
        result = revoada(*arguments, "--json", **environment)
        assert (result.exit_code, result.stdout) == (exit_code, "")
        error = json.loads(result.stderr)["error"]
        assert error.keys() == {"code", "kind", "message"}
        return error

    return run


def test_a_refusal_has_its_code_and_its_sentence(house, refuse):
    told = house.refusal("campaign", "show", "99")
    assert refuse("campaign", "show", "99") == {"code": "campaign_missing", "kind": "missing", "message": told}


@pytest.mark.parametrize(
    "arguments",
    [
        ("campaign", "start"),
        ("campaign", "start", "x"),
        ("campaign", "show", "1", "--frobnicate"),
        ("campaign", "frobnicate"),
        ("frobnicate",),
        ("--frobnicate",),
        ("account", "set", "sales"),
    ],
    ids=" ".join,
)
def test_a_command_that_is_not_understood_says_so_in_json(refuse, arguments):
    error = refuse(*arguments, exit_code=2)
    assert (error["code"], error["kind"]) == ("usage", "invalid")
    assert error["message"].endswith(" -h`.")


@pytest.mark.parametrize(
    ("environment", "code", "kind"),
    [
        ({"DATABASE_URL": "postgresql://someone:hunter2@127.0.0.1:1/nowhere"}, "database_away", "away"),
        ({"DATABASE_URL": "mysql://x/y"}, "setting_invalid", "invalid"),
    ],
)
def test_a_system_that_cannot_work_says_so_in_json(refuse, environment, code, kind):
    error = refuse("campaign", "list", **environment)
    assert (error["code"], error["kind"]) == (code, kind)
    assert "hunter2" not in error["message"]


def test_a_file_that_cannot_be_read_says_so_in_json(house, refuse, tmp_path):
    (tmp_path / "list.csv").write_bytes(b"")
    make = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", "list.csv")
    assert "list.csv" in refuse("campaign", "create", "x", *make)["message"]


def test_a_warning_on_stderr_is_json(create, house):
    create("Black Friday", "--window", "00:00-24:00")
    house.has_broker = False
    result = house("campaign", "start", "1", "--yes", "--json", REVOADA_QUIET_HOURS=quiet_hours(in_hours=12))
    assert json.loads(result.stdout)[0]["status"] == "pending"
    assert json.loads(result.stderr)["warning"].startswith("Warning: the broker does not answer")


def test_without_the_option_a_refusal_is_a_sentence(house):
    assert house("campaign", "show", "99").stderr.startswith("Error: ")
    assert house("campaign", "show", "--", "--json").stderr.startswith("Error: ")


def test_create_and_import_print_what_became_of_the_rows(house, people):
    make = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    made = house.json("campaign", "create", "Black Friday", *make)
    assert (made["id"], made["name"], made["status"]) == (1, "Black Friday", "draft")
    assert (made["recipient_count"], made["duplicate_count"], made["rejected_count"]) == (2, 1, 1)
    again = house.json("campaign", "import", "1", str(people), "--map", "1=name")
    assert (again["recipient_count"], again["duplicate_count"]) == (0, 3)


def test_overlaps_are_part_of_the_result(create, house, people):
    create()
    make = ("--template", "promo:pt_BR", "--account", "sales", "--recipients", str(people))
    (overlap,) = house.json("campaign", "create", "Again", *make)["overlaps"]
    assert (overlap["campaign_id"], overlap["shared_count"], overlap["has_same_file"]) == (1, 2, True)


def test_watch_prints_an_object_per_line_and_change(create, house):
    create()
    create("Newsletter")
    house.ok("campaign", "start", "1", "2")
    house.ok("campaign", "cancel", "1", "2")
    lines = [json.loads(line) for line in house.ok("campaign", "watch", "1", "2", "--json").splitlines()]
    assert [(line["id"], line["status"], line["funnel"]["recipients"]) for line in lines] == [
        (1, "cancelled", 2),
        (2, "cancelled", 2),
    ]
    assert house.ok("campaign", "watch", "--json") == ""


def test_a_change_of_status_names_both(create, house):
    create()
    house.json("campaign", "start", "1")
    (move,) = house.json("campaign", "cancel", "1")
    expected = {"id": 1, "name": "Black Friday", "before": "pending", "status": "cancelled", "first_message_at": None}
    assert expected.items() <= move.items()


def test_a_test_that_is_not_sent_prints_its_messages_and_an_error(create, house):
    create()
    result = house("campaign", "test", "1", "--to", "+5511999990007", "--wait", "0.01", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "id": 2,
        "messages": [{"phone": "+5511999990007", "status": "cancelled", "error_code": None, "error_title": None}],
    }
    error = json.loads(result.stderr)["error"]
    assert error["code"] == "test_withdrawn"
    assert "1 message was not sent in time and is withdrawn" in error["message"]
