from __future__ import annotations

import subprocess
import sys
from importlib.metadata import EntryPoint

import click
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from campaigns.cli.root import COMMANDS, load_command, main
from tests.support.commands import enter

EVERYTHING = {
    (): {
        *(
            "migrate",
            "keygen",
            "account",
            "person",
            "portfolio",
            "template",
            "campaign",
            "suppress",
            "forget",
            "rekey",
            "retention",
            "recover",
            "completion",
            "audit",
            "token",
            "forward",
            "hook",
            "user",
            "prices",
        ),
        *("optouts", "check-setup", "doctor", "simulate", "up", "demo"),
    },
    ("account",): {"add", "set", "list", "show", "activate", "deactivate", "check"},
    ("portfolio",): {"add", "set", "list", "show"},
    ("suppress",): {"add", "remove", "list", "import"},
    ("optouts",): {"review", "accept", "dismiss"},
    ("user",): {"add", "list", "set", "disable"},
    ("token",): {"add", "list", "revoke"},
    ("forward",): {"add", "list", "show", "test", "disable", "enable", "remove"},
    ("hook",): {"add", "set", "list", "show", "rotate", "test", "replay", "disable", "enable", "remove"},
    ("prices",): {"import", "remove", "list", "example", "ledger"},
    ("template",): {"add", "list", "show", "sync"},
    ("campaign",): {
        *(
            "create",
            "set",
            "ask-approval",
            "start",
            "test",
            "pause",
            "resume",
            "cancel",
            "discard",
            "show",
            "list",
            "watch",
        ),
        *("preview", "import", "discard-list", "import-errors", "errors", "retry", "retry-uncertain", "export"),
    },
}


def paths(command=main, path=()):
    yield path
    for name in getattr(command, "commands", {}):
        yield from paths(enter(command, name), (*path, name))


def test_the_commands_are_those_that_others_script_against():
    for path, names in EVERYTHING.items():
        group = main
        for part in path:
            group = enter(group, part)
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
        command = enter(command, part)
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_has_the_sentence_of_each_command(name):
    assert main.commands[name].get_short_help_str(1000) == enter(main, name).get_short_help_str(1000)


# What these packages cost was most of the second that `revoada --help` took.
HEAVY = {"psycopg", "celery", "kombu", "redis", "rich", "requests", "babel", "phonenumbers", "cryptography", "pycurl"}


@pytest.mark.parametrize("words", ["--help", "--version", "completion bash"])
def test_the_help_imports_no_package_that_takes_long_to_load(words):
    program = f"""
import sys
from campaigns.cli.root import main
main({words.split()!r}, standalone_mode=False)
print(sorted({HEAVY!r} & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout != "", done.stderr) == (True, "[]\n")


@pytest.mark.parametrize("arguments", [(), ("--exit",), ("anything",)])
def test_a_command_whose_package_is_not_installed_says_which_extra_to_install(arguments):
    command = load_command(EntryPoint("demo", "not_installed.commands:demo", "revoada.commands"))
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: This command needs the extra `demo` (pip install 'revoada[demo]'): No module named 'not_installed'.\n"
    )


@pytest.mark.parametrize("name", ["demo", "simulate", "up"])
def test_a_command_whose_dependency_is_not_installed_says_which_extra_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, {"simulate": "simulator.__main__"}.get(name, f"devstack.{name}"), None)
    result = CliRunner().invoke(main, [name])
    assert result.exit_code == 1
    assert "This command needs the extra `demo` (pip install 'revoada[demo]')" in result.stderr


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
    assert "accepting" not in line
    assert line.endswith(". Is `revoada up`, or the Postgres of this machine, stopped? If so, start it.")


@pytest.mark.parametrize("url", [None, "postgresql://someone@127.0.0.1:1/nowhere"])
def test_a_missing_database_beside_revoada_up_says_what_to_load(revoada, tmp_path, url):
    (tmp_path / ".revoada").mkdir()
    advice = "Is `revoada up` running? If not, start it. If it is, load its settings again: `. .revoada/env`"
    assert advice not in revoada.refusal("campaign", "list", DATABASE_URL=url)
    (tmp_path / ".revoada" / "env").touch()
    assert revoada.refusal("campaign", "list", DATABASE_URL=url).endswith(advice)


@pytest.mark.parametrize("command", ["doctor", "check-setup"])
def test_the_checks_advise_to_start_revoada_up_where_it_was_used(revoada, tmp_path, command):
    url = "postgresql://someone@127.0.0.1:1/nowhere"
    advice = "look at DATABASE_URL. Is `revoada up` running? If not, start it."
    assert advice not in revoada(command, DATABASE_URL=url).stdout
    (tmp_path / ".revoada").mkdir()
    (tmp_path / ".revoada" / "env").touch()
    assert advice in revoada(command, DATABASE_URL=url).stdout


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("campaign", "create", "Black", "Friday"), "an argument too many: Friday. A name with spaces needs quotes:"),
        (("campaign", "create", "Black", "Friday"), "'Black Friday'"),
        (("campaign", "iniciar", "1"), "English names: write start in the place of iniciar."),
        (("Conta", "listar"), "English names: write account in the place of Conta."),
    ],
)
def test_a_usual_slip_of_a_command_gets_its_answer(revoada, arguments, text):
    assert text in revoada.refusal(*arguments, exit_code=2)


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
        (["campaign", "start", "x"], "'x' is not the id of a campaign."),
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


@pytest.mark.parametrize(
    ("command", "option", "place"),
    [
        ("campaign set 1", "--messages-per-second", "revoada account set ACCOUNT --messages-per-second N"),
        ("campaign create x", "--daily-limit", "revoada portfolio set PORTFOLIO --daily-limit N"),
        ("campaign start 1", "--schedule-at", "revoada campaign set ID --schedule-at TIME"),
        ("campaign retry 1", "--to", "revoada campaign test ID --to PHONE"),
        ("account set sales", "--template", "revoada campaign set ID --template NAME:LANG"),
        ("campaign set 1", "--replace", "revoada campaign import ID FILE --replace"),
    ],
)
def test_an_option_of_another_command_is_told_with_that_command(revoada, command, option, place):
    line = revoada.refusal(*command.split(), option, "5", exit_code=2)
    name = " ".join(command.split()[:2])
    line = line.replace("`main ", "`revoada ")  # the runner of the tests gives the root its own name
    assert line == f"`revoada {name}` has no option {option}. This command has it: `{place}`. See `revoada {name} -h`."


def test_an_option_of_many_commands_is_no_advice(revoada):
    assert "This command has it" not in revoada.refusal("campaign", "list", "--yes", exit_code=2)


def test_an_option_with_a_typing_error_is_corrected(revoada):
    assert "'--pause-after'" in revoada.refusal("campaign", "create", "x", "--pause-aftr", "3", exit_code=2)
