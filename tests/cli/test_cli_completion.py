"""The Tab key in a real bash, with the script of `revoada completion bash`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from campaigns.domain.campaign import CampaignStatus
from tests.store.rows import add_campaign, fetch

PROGRAM = Path(sys.executable).parent / "revoada"
# bash calls the function of the script as it does when a person presses the Tab key.
SCRIPT = """
eval "$(revoada completion bash)"
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
_revoada_completion revoada 2>errors
printf '%s\\n' "${COMPREPLY[@]}"
cat errors >&2
"""


@pytest.fixture
def press_tab(revoada, tmp_path):
    def press(line, **environment):
        """What bash offers at the end of the line. Nothing may appear on the person's screen beside it."""
        variables = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin"} | revoada.environment | environment
        done = subprocess.run(
            ["/bin/bash", "--norc", "-c", SCRIPT, "bash", *line.split(" ")],
            env={name: value for name, value in variables.items() if value is not None},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.split()

    return press


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("revoada ca", {"campaign"}),
        ("revoada campaign re", {"resume", "retry", "retry-uncertain"}),
        ("revoada campaign create --pau", {"--pause-after", "--pause-for"}),
        ("revoada completion ", {"bash", "zsh", "fish"}),
        ("revoada campaign retry 7 --class a", {"all-retryable"}),
        ("revoada campaign export 7 --status un", {"uncertain"}),
        ("revoada campaign export 7 --status failed,del", {"failed,delivered"}),
    ],
)
def test_the_tab_key_offers(press_tab, line, offered):
    assert set(press_tab(line)) == offered


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("revoada campaign start ", ["12", "1"]),
        ("revoada campaign show 12", ["12"]),
        ("revoada doctor 1", ["12", "1"]),
        ("revoada account check s", ["sales", "support"]),
        ("revoada campaign create x --account sa", ["sales"]),
        ("revoada campaign create x --template pro", ["promo:pt_BR"]),
        ("revoada template show p", ["promo:pt_BR"]),
        ("revoada account set sales --portfolio a", ["acme"]),
        ("revoada portfolio show ", ["acme"]),
    ],
)
def test_the_tab_key_offers_what_the_database_has(press_tab, create, database, line, offered):
    create()
    fetch(database, "ALTER SEQUENCE campaigns_id_seq RESTART WITH 12")
    create("Newsletter")
    fetch(database, "INSERT INTO portfolios (name, daily_limit) VALUES ('acme', 2000)")
    assert press_tab(line) == offered


@pytest.mark.parametrize(
    ("command", "statuses"),
    [
        ("start", ["draft"]),
        ("pause", ["pending", "scheduled", "running"]),
        ("resume", ["paused"]),
        ("cancel", ["draft", "pending", "scheduled", "running", "paused"]),
        ("set", ["draft", "pending", "scheduled", "running", "paused"]),
        ("import", ["draft", "paused"]),
        ("retry", ["running", "paused", "completed"]),
        ("retry-uncertain", ["running", "paused", "completed"]),
        ("show", [*CampaignStatus]),
    ],
)
def test_the_tab_key_offers_campaigns_that_the_command_can_change(press_tab, database, command, statuses):
    made = {status: str(database.run(add_campaign, status)) for status in CampaignStatus}
    assert press_tab(f"revoada campaign {command} ") == [made[status] for status in reversed(statuses)]


def test_the_tab_key_offers_no_campaign_twice(press_tab, database):
    first, second = (database.run(add_campaign, "draft") for _ in range(2))
    assert press_tab(f"revoada campaign start {second} ") == [str(first)]


@pytest.mark.parametrize("typed", ["America/Sao", "america/sao", "sao_p"])
def test_the_tab_key_completes_a_time_zone_by_its_name_or_its_city(press_tab, typed):
    assert press_tab(f"revoada campaign create x --timezone {typed}") == ["America/Sao_Paulo"]


@pytest.mark.parametrize("url", ["postgresql://someone:hunter2@127.0.0.1:1/nowhere", "mysql://x/y", ""])
def test_the_tab_key_offers_nothing_and_prints_nothing_without_a_database(press_tab, url):
    assert press_tab("revoada campaign start ", DATABASE_URL=url) == []


def test_the_tab_key_reads_the_env_file_without_a_warning(press_tab, create, tmp_path, database_url):
    create()
    (tmp_path / ".env").write_text(f"DATABASE_URL={database_url}\n")
    (tmp_path / ".env").chmod(0o644)
    assert press_tab("revoada campaign start ", DATABASE_URL=None) == ["1"]


@pytest.mark.parametrize(
    ("shell", "typed", "told"),
    [
        ("bash", {"COMP_CWORD": "3"}, "plain,12 plain,1"),
        ("zsh", {"COMP_CWORD": "3"}, "plain 12 Newsletter plain 1 Black Friday"),
        ("fish", {"COMP_CWORD": ""}, "plain,12 Newsletter plain,1 Black Friday"),
    ],
)
def test_each_shell_gets_the_campaigns(revoada, create, database, tmp_path, shell, typed, told):  # noqa: PLR0917
    """The scripts of zsh and fish also show the names; the program answers in the form of the shell."""
    create()
    fetch(database, "ALTER SEQUENCE campaigns_id_seq RESTART WITH 12")
    create("Newsletter")
    variables = {"_REVOADA_COMPLETE": f"{shell}_complete", "COMP_WORDS": "revoada campaign start ", **typed}
    done = subprocess.run(
        [PROGRAM],
        env={name: value for name, value in (revoada.environment | variables).items() if value is not None},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == told.split()


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_for_another_shell_calls_the_same_program(revoada, shell):
    script = revoada.ok("completion", shell)
    assert f"_REVOADA_COMPLETE={shell}_complete" in script
