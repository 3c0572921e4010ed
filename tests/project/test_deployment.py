"""docker-compose.yml, the Procfile and .env.example say the same."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from campaigns.config import Settings
from devstack.roles import read_procfile

OTHER_SERVICES = {"postgres", "valkey", "migrate"}


@pytest.fixture
def compose(project: Path) -> dict[str, Any]:
    return yaml.safe_load((project / "docker-compose.yml").read_text())


def test_compose_has_the_roles_of_the_procfile(compose):
    assert set(compose["services"]) - OTHER_SERVICES == set(read_procfile())
    assert set(read_procfile()) == {"webhooks", "worker", "events", "beat", "flower"}


@pytest.mark.parametrize("role", ["webhooks", "worker", "events", "beat", "flower"])
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
    for role, queues in (("worker", "campaigns"), ("events", "control,webhooks,health")):
        command = read_procfile()[role]
        assert f"-Q {queues} " in command
        assert f"-n {role}@%h" in command
        assert "-P threads" in command


def test_valkey_keeps_its_queues(compose):
    command = " ".join(compose["services"]["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


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
    known |= {"POSTGRES_PASSWORD", "FLOWER_BASIC_AUTH", "HOST", "PORT", "FLOWER_HOST", "FLOWER_PORT"}
    listed = set(re.findall(r"^#?([A-Z_]+)=", (project / ".env.example").read_text(), re.MULTILINE))
    assert listed <= known


def test_the_image_holds_what_the_roles_need(project):
    dockerfile = (project / "Dockerfile").read_text()
    for part in ("campaigns", "webhooks", "celeryconfig.py", "constraints.txt"):
        assert part in dockerfile
        assert f"!{part}" in (project / ".dockerignore").read_text()
