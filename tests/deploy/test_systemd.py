"""The units of deploy/systemd: systemd reads them, and they run the roles of the Procfile."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from campaigns.config import Settings, list_variables
from devstack.roles import read_procfile

SECRETS = ("database_url", "redis_url", "secret_key", "meta_app_secret", "meta_verify_token")


@pytest.fixture
def units(project) -> Path:
    return project / "deploy/systemd"


def read_values(path, key):
    return re.findall(rf"^{key}=(.*)$", path.read_text(), re.MULTILINE)


def read_common(units):
    return units / "revoada-.service.d/10-common.conf"


def verify(folder):
    files = [str(path) for path in sorted(folder.iterdir()) if path.suffix in {".service", ".target"}]
    command = ["systemd-analyze", "verify", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


def test_systemd_finds_no_fault(units):
    assert verify(units) == ""


def test_systemd_reads_what_the_units_have_in_common(units, tmp_path):
    shutil.copytree(units, tmp_path / "units")
    with read_common(tmp_path / "units").open("a") as file:
        file.write("NoSuchKey=1\n")
    assert "NoSuchKey" in verify(tmp_path / "units")


def test_each_role_has_a_unit_with_the_command_of_the_procfile(units):
    names = {path.name for path in units.glob("*.service")} - {"revoada-migrate.service"}
    assert names == {f"revoada-{role}@.service" for role in read_procfile()}
    for role, command in read_procfile().items():
        [start] = read_values(units / f"revoada-{role}@.service", "ExecStart")
        # systemd wants a dollar and a percent sign written twice.
        assert shlex.split(start)[:2] == ["/bin/sh", "-c"]
        quoted = start.removeprefix('/bin/sh -c "').removesuffix('"')
        assert quoted.replace("$$", "$").replace("%%", "%") == command, role


def test_the_target_starts_what_is_enabled_and_a_crash_is_followed_by_a_start(units):
    for role in read_procfile():
        unit = units / f"revoada-{role}@.service"
        assert read_values(unit, "WantedBy") == ["revoada.target"], role
        assert read_values(unit, "Restart") == ["on-failure"], role
    assert read_values(read_common(units), "PartOf") == ["revoada.target"]
    assert read_values(units / "revoada-migrate.service", "Type") == ["oneshot"]
    assert read_values(units / "revoada-migrate.service", "Restart") == []


def test_no_two_processes_of_a_host_share_a_port_of_metrics(units):
    ports = []
    for role, instances in (("worker", range(1, 100)), ("events", range(1, 100)), ("files", range(1, 100))):
        [given] = re.findall(r"REVOADA_METRICS_PORT=(\S+)", (units / f"revoada-{role}@.service").read_text())
        ports += [int(given.replace("%i", str(number))) for number in instances]
    assert len(set(ports)) == len(ports)
    assert all(1024 <= port <= 65_535 for port in ports)


def test_a_stop_lasts_longer_than_a_request(units):
    [seconds] = read_values(read_common(units), "TimeoutStopSec")
    assert int(seconds) >= Settings().http_timeout_seconds + 5


def test_each_secret_is_a_file_of_systemd(units):
    for path in (read_common(units), *units.glob("*.service")):
        given = dict(value.split("=", 1) for value in read_values(path, "Environment"))
        credentials = dict(value.split(":", 1) for value in read_values(path, "LoadCredential"))
        files = {name for name in given if name.endswith("_FILE") and name != "REVOADA_ALIVE_FILE"}
        assert {given[name] for name in files} == {f"%d/{name}" for name in credentials}, path.name
        assert files <= set(list_variables()), path.name
        assert credentials == {name: f"/etc/revoada/secrets/{name}" for name in credentials}, path.name


def test_the_public_role_has_no_key(units):
    unit = units / "revoada-webhooks@.service"
    assert not [value for value in read_values(unit, "LoadCredential") if value.startswith("secret_key")]


def test_the_command_of_a_host_reads_the_secrets_of_the_units(units):
    script = (units / "revoada").read_text()
    named = dict(re.findall(r"^([A-Z_]+_FILE)=/etc/revoada/secrets/(\w+)$", script, re.MULTILINE))
    assert set(named.values()) == set(SECRETS)
    assert named.keys() <= set(list_variables())
    subprocess.run(["sh", "-n", str(units / "revoada")], check=True)
