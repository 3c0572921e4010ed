from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from campaigns.language import PORTUGUESE, choose, restoring
from campaigns.secrets import make_key
from devstack.ports import free_port
from devstack.roles import Role
from devstack.server import DevstackError, wait_until
from devstack.stack import ROLES, Stack, await_http
from devstack.up import _forget_own_servers

ENVIRONMENT = {"META_APP_SECRET": "0" * 32, "META_VERIFY_TOKEN": "x" * 20, "REVOADA_SECRET_KEY": make_key()}


def test_a_second_up_in_a_folder_is_refused_and_changes_nothing(tmp_path):
    folder = tmp_path / ".revoada"
    folder.mkdir()
    with (folder / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [Path(sys.executable).with_name("revoada"), "up"]
        environment = {"PATH": os.environ["PATH"], **ENVIRONMENT}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("revoada up: another `revoada up` runs in this folder. Stop that one with Ctrl-C,")
    assert [path.name for path in folder.iterdir()] == ["up.lock"]


def test_up_without_settings_names_all_that_it_needs(tmp_path):
    command = [Path(sys.executable).with_name("revoada"), "up"]
    environment = {"PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "META_APP_SECRET, META_VERIFY_TOKEN and REVOADA_SECRET_KEY are not set. Write them into" in done.stderr


def test_up_says_which_settings_of_the_terminal_differ_from_the_file(tmp_path):
    (tmp_path / ".revoada").mkdir()
    (tmp_path / ".env").write_text("REVOADA_REGION=GB\nREVOADA_SLOTS=4\n")
    (tmp_path / ".env").chmod(0o600)
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT, "REVOADA_REGION": "BR"}
    with (tmp_path / ".revoada" / "up.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        command = [Path(sys.executable).with_name("revoada"), "up"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.stderr.startswith("Warning: settings of this terminal differ from .env, and those of the terminal")
    assert "count: REVOADA_REGION. To use those of .env" in done.stderr


def test_the_ports_of_the_receiver_and_flower_are_kept_and_the_environment_wins(tmp_path):
    def choose(**environment):
        stack = Stack(tmp_path, environment)
        return stack._choose_port("PORT", "webhooks", 8000), stack._choose_port("FLOWER_PORT", "flower", 5555)

    (tmp_path / "flower.port").write_text("20123\n")
    first = choose()
    assert first == choose()
    assert first[1] == 20123
    assert choose(FLOWER_PORT="20124") == (first[0], 20124)
    assert choose() == first


def start(role, tmp_path, **environment):
    stack = Stack(tmp_path, {"PATH": os.environ["PATH"], "PORT": "0", "FLOWER_PORT": "0"} | environment)
    started = stack.start_role(role)
    assert wait_until(lambda: not started.is_running(), 120)
    started.stop()
    return started


@pytest.mark.parametrize("role", ROLES)
def test_a_role_with_a_wrong_setting_prints_a_sentence_and_no_traceback(tmp_path, role):
    shown = start(role, tmp_path, REVOADA_SLOTS="many").last_lines()
    assert "revoada: REVOADA_SLOTS is wrong: invalid literal for int() with base 10: 'many'" in shown
    assert "Traceback" not in shown


@pytest.mark.parametrize("role", ["webhooks", "worker"])
def test_up_shows_the_sentence_of_a_role_that_logs_json(tmp_path, role):
    started = start(role, tmp_path, REVOADA_SLOTS="many", LOG_FORMAT="json")
    assert all(json.loads(line) for line in started.log_path.read_text().splitlines())
    lines = started.last_lines().splitlines()
    assert "The process cannot start: REVOADA_SLOTS is wrong: invalid literal for int() with base 10: 'many'" in lines


def test_a_line_that_is_no_log_line_is_shown_as_it_is(tmp_path):
    log = tmp_path / "role.log"
    log.write_text('{"a": 1}\n[1]\nplain\n{"message": "said"}\n')
    assert Role("worker", "worker", log, 0, None).last_lines() == '{"a": 1}\n[1]\nplain\nsaid'


def test_addresses_that_a_person_has_loaded_from_the_file_of_up_are_not_taken_for_other_servers(tmp_path):
    (tmp_path / "postgres.port").write_text("20125\n")
    (tmp_path / "valkey.port").write_text("20126\n")
    theirs = {"DATABASE_URL": "postgresql://u:p@10.0.0.1:20125/x", "REDIS_URL": "redis://:p@127.0.0.1:6379/0"}
    environment = dict(theirs)
    _forget_own_servers(tmp_path, environment)
    assert environment == theirs
    environment = {
        "DATABASE_URL": "postgresql://postgres:p@127.0.0.1:20125/revoada",
        "REDIS_URL": "redis://:p@127.0.0.1:20126/0",
        "PORT": "8000",
    }
    _forget_own_servers(tmp_path, environment)
    assert environment == {"PORT": "8000"}


def test_the_last_lines_are_told_also_just_after_a_rotation(tmp_path):
    log = tmp_path / "role.log"
    role = Role("worker", "worker", log, 0, None)
    (tmp_path / "role.log.1").write_text("".join(f"old {number}\n" for number in range(20)))
    for new in ([], ["one", "two"], [f"new {number}" for number in range(15)]):
        log.write_text("".join(f"{line}\n" for line in new))
        told = role.last_lines().splitlines()
        assert told == [*(f"old {number}" for number in range(20)), *new][-15:]
    log.unlink()  # the guard renames the file before it makes the next one
    assert role.last_lines().splitlines()[-1] == "old 19"


def test_a_flower_that_ends_ends_nothing_else(tmp_path):
    stack = Stack(tmp_path, {"PATH": os.environ["PATH"]})
    flower = stack.start_process("flower", ["true"])
    assert wait_until(lambda: not flower.is_running(), 60)
    stack.check_alive()
    assert stack.find_dead() is flower
    worker = stack.start_process("worker", ["true"])
    assert wait_until(lambda: not worker.is_running(), 60)
    with pytest.raises(DevstackError, match="worker has ended, so all other processes are stopped, too: "):
        stack.check_alive()


@pytest.fixture
def other_program():
    """A server of somebody else, which answers 200 to each request; yields its port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_arguments):
        pass


def test_a_port_of_a_setting_that_another_program_uses_stops_up_before_anything_runs(tmp_path, other_program):
    command = [Path(sys.executable).with_name("revoada"), "up"]
    environment = {"PATH": os.environ["PATH"], **ENVIRONMENT, "CONSOLE_PORT": str(other_program)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        f"revoada up: console cannot start, because another program uses its port {other_program}, so nothing runs."
        " Stop that program, or give console another port in .env: CONSOLE_PORT="
    )
    assert not (tmp_path / ".revoada" / "postgres").exists()


def test_a_role_whose_port_was_taken_while_it_started_says_so(tmp_path, other_program):
    """Another program answers on the port of the console. Its answer does not count."""
    stack = Stack(tmp_path, {"PATH": os.environ["PATH"], "CONSOLE_PORT": str(other_program)})
    with stack:
        stack.start_process("console", ["sleep", "1"])
        with pytest.raises(
            DevstackError, match=f"console cannot start, because another program uses its port {other_program}"
        ):
            await_http(f"http://127.0.0.1:{other_program}/", stack, role="console", seconds=60)


def test_a_role_that_listens_on_its_port_is_known(tmp_path):
    port = free_port()
    with Stack(tmp_path, {"PATH": os.environ["PATH"], "PORT": str(port)}) as stack:
        stack.start_process("webhooks", [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
        await_http(f"http://127.0.0.1:{port}/", stack, role="webhooks", seconds=60)


def test_a_role_that_ends_is_told_in_the_language_of_the_screen(tmp_path):
    stack = Stack(tmp_path, {"PATH": os.environ["PATH"]})
    worker = stack.start_process("worker", ["true"])
    assert wait_until(lambda: not worker.is_running(), 60)
    with restoring():
        choose(PORTUGUESE)
        with pytest.raises(DevstackError, match="worker terminou, por isso todos os outros processos param também"):
            stack.check_alive()
