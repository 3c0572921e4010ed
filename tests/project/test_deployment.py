"""docker-compose.yml, the Procfile and .env.example say the same."""

from __future__ import annotations

import os
import re
import subprocess
import time
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from dotenv import dotenv_values

from campaigns.config import Settings
from devstack.ports import LOOPBACK, free_port
from devstack.roles import read_procfile
from devstack.valkey import find_binary
from tests.simulator.far_end import wait_for

OTHER_SERVICES = {"postgres", "valkey", "migrate"}


@pytest.fixture
def compose(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "docker-compose.yml").read_text())


def test_compose_has_the_roles_of_the_procfile(compose):
    assert set(compose["services"]) - OTHER_SERVICES == set(read_procfile())
    assert set(read_procfile()) == {"webhooks", "console", "worker", "events", "files", "beat", "flower"}


@pytest.mark.parametrize("role", ["webhooks", "console", "worker", "events", "files", "beat", "flower"])
def test_compose_runs_the_command_of_the_procfile(compose, role):
    shell, flag, command = compose["services"][role]["command"]
    assert (shell, flag) == ("sh", "-c")
    # Compose wants a dollar of the shell written twice.
    assert command.replace("$$", "$") == read_procfile()[role]


def test_every_role_waits_for_the_one_migration(compose):
    for role in read_procfile():
        assert compose["services"][role]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    assert compose["services"]["migrate"]["command"] == ["revoada", "migrate"]


def test_workers_name_their_queues_and_themselves():
    for role, queues in (("worker", "campaigns"), ("events", "control,webhooks,health"), ("files", "files")):
        command = read_procfile()[role]
        assert f"-Q {queues} " in command
        # The shell replaces $$ by the number of the process, so that two of them on one host have two names.
        assert f"-n {role}-$$@%h" in command
        assert "-P threads" in command


@pytest.mark.parametrize("role", ["worker", "events", "files", "beat"])
def test_a_process_without_a_fresh_file_is_unhealthy(compose, tmp_path, role):
    kind, line = compose["services"][role]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    assert compose["services"][role]["environment"]["REVOADA_ALIVE_FILE"]
    file = tmp_path / "alive"

    def is_healthy():
        environment = os.environ | {"REVOADA_ALIVE_FILE": str(file)}
        shell = ["sh", "-c", line.replace("$$", "$")]
        return subprocess.run(shell, env=environment, check=False, capture_output=True).returncode == 0

    assert not is_healthy()
    file.touch()
    assert is_healthy()
    os.utime(file, (time.time() - 90,) * 2)
    assert not is_healthy()


def test_the_file_is_fresh_for_longer_than_the_time_between_two_touches():
    assert 2 * Settings().probe_seconds < 60


def test_flower_shows_the_ids_that_a_task_has():
    assert "args" in re.search(r"--tasks_columns=(\S+)", read_procfile()["flower"])[1].split(",")


def test_valkey_keeps_its_queues(compose):
    command = " ".join(compose["services"]["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_each_service_is_confined(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "cap_add" not in service, name
        assert not service.get("privileged"), name
        assert re.fullmatch(r"[1-9][0-9]*[mg]", service["mem_limit"]), name


def test_no_service_runs_as_root(compose, project):
    assert compose["services"]["postgres"]["user"] == "postgres"
    assert compose["services"]["valkey"]["user"] == "valkey"
    for role in (*read_procfile(), "migrate"):
        assert "user" not in compose["services"][role], role
    users = re.findall(r"^USER (.+)$", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1].isdecimal()
    assert int(users[-1]) > 0


def test_each_image_has_a_whole_version(compose, project):
    images = [service["image"] for service in compose["services"].values()]
    images += re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        assert re.search(r":[0-9]+\.[0-9]+", image), image
        assert "latest" not in image
    version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    assert compose["services"]["worker"]["image"] == f"revoada:{version}"


def test_valkey_asks_every_client_for_a_password(compose):
    service = compose["services"]["valkey"]
    assert 'requirepass "$$VALKEY_PASSWORD"' in service["command"][-1]
    assert service["environment"]["VALKEY_PASSWORD"].startswith("${VALKEY_PASSWORD:?")
    for role in (*read_procfile(), "migrate"):
        url = compose["services"][role]["environment"]["REDIS_URL"]
        assert url.startswith("redis://:${VALKEY_PASSWORD:?"), role


def test_the_start_of_valkey_as_compose_has_it_gives_the_password_to_nobody(compose, tmp_path):
    """With the embedded Valkey: it answers with the password only, and its arguments do not have it."""
    port = free_port()
    script = compose["services"]["valkey"]["command"][-1].replace("$$", "$").replace("/data", ".")
    program = script.replace("valkey-server -", f"valkey-server - --port {port} --bind {LOOPBACK}")
    environment = {"VALKEY_PASSWORD": "word", "PATH": f"{find_binary().parent}:{os.environ['PATH']}"}
    with subprocess.Popen(
        ["sh", "-c", program], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            with redis.Redis(port=port, password="word") as client:
                wait_for(lambda: answers(client))
                assert client.config_get("appendonly") == {"appendonly": "yes"}
                assert client.info("server")["process_id"] == process.pid  # so that a stop reaches it
                assert "word" not in Path(f"/proc/{process.pid}/cmdline").read_text()
                with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
                    stranger.ping()
        finally:
            process.terminate()


def answers(client):
    try:
        return client.ping()
    except redis.ConnectionError:
        return False


def test_only_loopback_of_the_host_is_published(compose):
    published = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_a_stop_lasts_longer_than_a_request(compose):
    seconds = int(compose["services"]["worker"]["stop_grace_period"].removesuffix("s"))
    assert seconds >= Settings().http_timeout_seconds + 5


def test_the_example_lists_every_setting_with_its_default(project):
    example = dict(
        re.match(r"#?([A-Z_]+)=(\S*)", line).groups()
        for line in (project / ".env.example").read_text().splitlines()
        if re.match(r"#?[A-Z_]+=", line)
    )
    for spec in fields(Settings):
        variable = spec.metadata["variable"]
        assert variable in example
        if spec.default is not None:
            assert spec.metadata["parse"](example[variable]) == spec.default, variable


def test_the_example_has_no_setting_that_does_not_exist(project):
    known = {spec.metadata["variable"] for spec in fields(Settings)}
    # Not ours to read: they fill in docker-compose.yml and the Procfile.
    known |= {
        "POSTGRES_PASSWORD",
        "VALKEY_PASSWORD",
        "FLOWER_BASIC_AUTH",
        "HOST",
        "PORT",
        "CONSOLE_PORT",
        "FLOWER_HOST",
        "FLOWER_PORT",
    }
    listed = set(re.findall(r"^#?([A-Z_]+)=", (project / ".env.example").read_text(), re.MULTILINE))
    assert listed <= known


def test_a_copy_of_the_example_leaves_flower_open(project):
    """Flower denies access to everybody if the variable is there and empty."""
    assert "FLOWER_BASIC_AUTH" not in dotenv_values(project / ".env.example")


def test_the_image_holds_what_the_roles_need(project):
    dockerfile = (project / "Dockerfile").read_text()
    for part in ("campaigns", "webhooks", "console", "api", "celeryconfig.py", "requirements.lock"):
        assert part in dockerfile
        assert f"!{part}" in (project / ".dockerignore").read_text()
