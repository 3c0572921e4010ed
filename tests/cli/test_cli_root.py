from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from campaigns.cli.root import main

EVERYTHING = {
    (): {
        *(
            "migrate",
            "keygen",
            "account",
            "portfolio",
            "template",
            "campaign",
            "suppress",
            "forget",
            "retention",
            "recover",
        ),
        *("optouts", "check-setup", "doctor", "simulate", "up", "demo"),
    },
    ("account",): {"add", "set", "list", "show", "activate", "deactivate", "check"},
    ("portfolio",): {"add", "set", "list", "show"},
    ("suppress",): {"add", "remove", "list", "import"},
    ("optouts",): {"review", "accept", "dismiss"},
    ("template",): {"add", "list", "show", "sync"},
    ("campaign",): {
        *("create", "set", "start", "test", "pause", "resume", "cancel", "show", "list", "watch"),
        *("preview", "import", "import-errors", "errors", "retry", "retry-uncertain", "export"),
    },
}


def paths(command=main, path=()):
    yield path
    for name, child in getattr(command, "commands", {}).items():
        yield from paths(child, (*path, name))


def test_the_commands_are_those_that_others_script_against():
    for path, names in EVERYTHING.items():
        group = main
        for part in path:
            group = group.commands[part]
        assert set(group.commands) == names


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("path", list(paths()), ids=" ".join)
def test_every_command_explains_itself(path, option):
    result = CliRunner().invoke(main, [*path, option], env={"DATABASE_URL": None})
    assert result.exit_code == 0
    assert "sage: " in result.stdout


@pytest.mark.parametrize("path", [path for path in paths() if path not in EVERYTHING], ids=" ".join)
def test_every_command_has_a_sentence_in_its_help(path):
    command = main
    for part in path:
        assert isinstance(command, click.Group)
        command = command.commands[part]
    assert command.help


def test_keygen_prints_a_key_and_nothing_else(revoada):
    Fernet(revoada.ok("keygen").removesuffix("\n"))


def test_keygen_needs_no_settings(revoada):
    revoada.ok("keygen", DATABASE_URL=None, REVOADA_SECRET_KEY=None)


def test_migrate_brings_an_empty_database_up_and_can_be_run_again(revoada, postgres, database_url):
    url = postgres.create_database("empty_" + database_url.rsplit("_", 1)[-1])
    assert "Applied 0001_core." in revoada.ok("migrate", DATABASE_URL=url)
    assert revoada.ok("migrate", DATABASE_URL=url) == "The database is up to date.\n"
    assert revoada.ok("campaign", "list", DATABASE_URL=url)


def test_a_database_that_was_never_migrated_says_what_to_run(revoada, postgres, database_url):
    url = postgres.create_database("bare_" + database_url.rsplit("_", 1)[-1])
    assert revoada.refusal("campaign", "list", DATABASE_URL=url).endswith("run `revoada migrate`.")


@pytest.mark.parametrize("command", ["migrate", "list"])
def test_a_database_that_is_away_says_so_in_one_line(revoada, command):
    arguments = ("migrate",) if command == "migrate" else ("campaign", "list")
    line = revoada.refusal(*arguments, DATABASE_URL="postgresql://someone:hunter2@127.0.0.1:1/nowhere")
    assert line.startswith("The database does not answer: ")
    assert "refused" in line
    assert "hunter2" not in line


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("DATABASE_URL", None, "DATABASE_URL is not set"),
        ("DATABASE_URL", "mysql://x/y", "DATABASE_URL is wrong"),
        ("REVOADA_TIMEZONE", "Brazil", "REVOADA_TIMEZONE is wrong"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_refused_by_its_name(revoada, variable, value, reason):
    assert revoada.refusal("campaign", "list", **{variable: value}).startswith(reason)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["frobnicate"], "No such command 'frobnicate'"),
        (["--frobnicate"], "No such option"),
        (["campaign", "start"], "Missing argument 'ID…'"),
        (["campaign", "start", "x"], "'x' is not a valid integer"),
        (["account", "add", "x"], "Missing option '--phone-number-id'"),
    ],
)
def test_what_is_not_understood_is_one_line_with_the_way_to_the_help(revoada, arguments, reason):
    line = revoada.refusal(*arguments, exit_code=2)
    assert reason in line
    assert line.endswith(" -h`.")


def test_the_env_file_is_read(revoada, tmp_path, database_url, monkeypatch):
    # Set and deleted, so that what the file brings in is taken back after the test.
    monkeypatch.setenv("DATABASE_URL", "x")
    monkeypatch.delenv("DATABASE_URL")
    (tmp_path / ".env").write_text(f"DATABASE_URL='{database_url}'\n")
    del revoada.environment["DATABASE_URL"]
    revoada.ok("campaign", "list")


def test_the_environment_wins_over_the_env_file(revoada, tmp_path):
    (tmp_path / ".env").write_text("DATABASE_URL=mysql://wrong/one\n")
    revoada.ok("campaign", "list")


def test_simulate_passes_its_arguments_through(revoada):
    result = revoada("simulate", "--port", "no-number")
    assert result.exit_code == 2
    assert "--port" in result.stderr
