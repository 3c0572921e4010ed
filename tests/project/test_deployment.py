"""docker-compose.yml, the Procfile and .env.example say the same."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
import tomllib
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from dotenv import dotenv_values

from campaigns.config import Settings, read_settings
from campaigns.secrets import make_key
from devstack.ports import LOOPBACK, free_port
from devstack.roles import PROJECT, read_procfile
from devstack.valkey import find_binary
from tests.simulator.far_end import wait_for

# Services that are no roles and have an image of others.
SERVERS = {"proxy", "postgres", "valkey", "prometheus", "alertmanager", "grafana"}
OF_POSTGRES = {"backup", "dump", "load", "restore"}
OTHER_SERVICES = {"migrate", "revoada"} | SERVERS | OF_POSTGRES
SECRETS = {"database_url", "redis_url", "secret_key", "meta_app_secret", "meta_verify_token"}


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
        # The program file of Caddy has this capability, and does not start without it.
        assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else []), name
        assert not service.get("privileged"), name
        assert re.fullmatch(r"[1-9][0-9]*[mg]", service["mem_limit"]), name


def test_no_service_runs_as_root(compose, project):
    for name in SERVERS | OF_POSTGRES:
        assert compose["services"][name]["user"] not in {"root", "0", "0:0"}, name
    for role in (*read_procfile(), "migrate", "revoada"):
        assert "user" not in compose["services"][role], role
    users = re.findall(r"^USER (.+)$", (project / "Dockerfile").read_text(), re.MULTILINE)
    assert users[-1].isdecimal()
    assert int(users[-1]) > 0


def test_each_image_has_a_whole_version(compose, project):
    images = [service["image"] for service in compose["services"].values()]
    images += re.findall(r"^FROM (\S+)", (project / "Dockerfile").read_text(), re.MULTILINE)
    for image in images:
        assert re.search(r":(\$\{REVOADA_VERSION:-)?v?[0-9]+\.[0-9]+", image), image
        assert "latest" not in image
    version = tomllib.loads((project / "pyproject.toml").read_text())["project"]["version"]
    for role in (*read_procfile(), "migrate", "revoada"):
        assert compose["services"][role]["image"] == f"${{REVOADA_IMAGE:-revoada}}:${{REVOADA_VERSION:-{version}}}"
    assert f"#REVOADA_VERSION={version}\n" in (project / ".env.example").read_text()


def test_each_secret_is_a_file(compose):
    services = compose["services"]
    for role in (*read_procfile(), "migrate", "revoada"):
        service = services[role]
        given = {value for name, value in service["environment"].items() if name.endswith("_FILE") and value}
        given.remove("/tmp/alive")
        assert given == {f"/run/secrets/{name}" for name in service["secrets"]}, role
        assert set(service["secrets"]) <= SECRETS
    assert "secret_key" not in services["webhooks"]["secrets"], "the public role cannot read access tokens"
    for name, service in services.items():
        for secret in service.get("secrets", []):
            assert compose["secrets"][secret] == {"file": f"./secrets/{secret}"}, name


@pytest.fixture
def set_up(project, tmp_path):
    """Runs deploy/setup.sh in a folder of its own; returns what it wrote into the files of secrets."""
    (tmp_path / "deploy").mkdir()
    for name in ("deploy/setup.sh", ".env.example"):
        shutil.copy(project / name, tmp_path / name)
    # Only root can give folders and files to the users of the images.
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "install").write_text("#!/bin/sh\n")
    (tools / "install").chmod(0o755)

    def run():
        environment = {"PATH": f"{tools}:{os.environ['PATH']}"}
        subprocess.run(["sh", str(tmp_path / "deploy/setup.sh")], env=environment, check=True, capture_output=True)
        return {path.name: path.read_text().strip() for path in (tmp_path / "secrets").iterdir()}

    return run


def test_setup_makes_each_secret_once(compose, set_up, tmp_path):
    made = set_up()
    assert made.keys() == compose["secrets"].keys()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    files = compose["services"]["worker"]["environment"]
    folder = str(tmp_path / "secrets")
    files = {name: value.replace("/run/secrets", folder) for name, value in files.items() if "/secrets/" in value}
    settings = read_settings(files)
    settings.require("database_url", "redis_url", "secret_key", "meta_verify_token")
    assert settings.meta_app_secret is None, "this one comes from Meta"
    assert f":{made['postgres_password']}@" in settings.database_url
    assert f":{made['valkey_password']}@" in settings.redis_url
    assert set_up() == made, "a second run changes nothing"


def test_setup_keeps_the_secrets_of_an_earlier_version(set_up, tmp_path):
    key = make_key()
    (tmp_path / ".env").write_text(f"POSTGRES_PASSWORD=one\nREVOADA_SECRET_KEY='{key}'\nMETA_APP_SECRET=\"three\"\n")
    made = set_up()
    assert (made["postgres_password"], made["secret_key"], made["meta_app_secret"]) == ("one", key, "three")
    assert made["database_url"] == "postgresql://revoada:one@postgres:5432/revoada"


def test_valkey_asks_every_client_for_a_password(compose):
    service = compose["services"]["valkey"]
    assert 'requirepass "$$(cat "$$VALKEY_PASSWORD_FILE")"' in service["command"][-1]
    assert service["secrets"] == ["valkey_password"]


def test_the_start_of_valkey_as_compose_has_it_gives_the_password_to_nobody(compose, tmp_path):
    """With the embedded Valkey: it answers with the password only, and its arguments do not have it."""
    port = free_port()
    script = compose["services"]["valkey"]["command"][-1].replace("$$", "$").replace("/data", ".")
    program = script.replace("valkey-server -", f"valkey-server - --port {port} --bind {LOOPBACK}")
    (tmp_path / "password").write_text("word\n")
    environment = {"VALKEY_PASSWORD_FILE": "password", "PATH": f"{find_binary().parent}:{os.environ['PATH']}"}
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


def test_only_the_proxy_has_ports_that_other_machines_reach(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published.pop("proxy") == ["80:80", "443:443", "443:443/udp"]
    assert {"webhooks", "console", "flower"} <= published.keys()
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_console_believes_the_address_of_the_proxy_only(compose):
    address = compose["services"]["proxy"]["networks"]["front"]["ipv4_address"]
    assert address in compose["services"]["console"]["environment"]["REVOADA_TRUSTED_PROXIES"]
    [network] = compose["networks"]["front"]["ipam"]["config"]
    default = re.compile(r":-([0-9./]+)\}")
    assert ip_address(default.search(address)[1]) in ip_network(default.search(network["subnet"])[1])
    attached = {name for name, service in compose["services"].items() if "front" in service.get("networks", {})}
    assert attached == {"proxy", "webhooks", "console"}


def test_each_service_that_stays_has_a_health_check(compose):
    for name, service in compose["services"].items():
        if service.get("restart") == "unless-stopped":
            assert service["healthcheck"]["test"], name


def test_what_is_started_by_hand_is_not_started_with_the_roles(compose):
    profiles = {name: service.get("profiles", []) for name, service in compose["services"].items()}
    assert {name for name, names in profiles.items() if names == ["tools"]} == {"revoada", "dump", "load", "restore"}
    assert {name for name, names in profiles.items() if names == ["monitoring"]} == {
        *("prometheus", "alertmanager", "grafana"),
    }
    assert {name for name, names in profiles.items() if not names} == set(read_procfile()) | {
        *("proxy", "postgres", "valkey", "migrate", "backup"),
    }


def test_the_tools_of_postgres_have_the_version_of_the_server(compose):
    services = compose["services"]
    assert {services[name]["image"] for name in OF_POSTGRES} == {services["postgres"]["image"]}
    for name in OF_POSTGRES:
        words = services[name].get("entrypoint") or services[name]["command"]
        assert (PROJECT / words[1].replace("/deploy", "deploy/postgres")).is_file(), name


def test_files_that_compose_mounts_exist(compose):
    made = {"./backup", "./data", "./proxy"}  # by deploy/setup.sh
    for service in compose["services"].values():
        for source in (volume.partition(":")[0] for volume in service.get("volumes", [])):
            assert source in compose["volumes"] or source in made or (PROJECT / source).exists(), source


def test_managed_servers_are_left_out_by_an_override(compose, project):
    override = yaml.safe_load((project / "deploy/compose.managed.yml").read_text())["services"]
    assert override.keys() == {"postgres", "valkey", "backup"}
    for service in compose["services"].values():
        needed = service.get("depends_on", {})
        for name in override.keys() & set(needed):
            assert needed[name]["required"] is False


def test_the_page_names_services_that_exist(compose, project):
    page = (project / "docs/deploy.md").read_text()
    named = re.findall(r"docker compose (?:run --rm|exec(?: --env \S+)?) (\w+)", page)
    assert {"revoada", "backup", "postgres", "migrate", "restore", "dump", "load"} <= set(named)
    assert set(named) <= set(compose["services"])
    for started in re.findall(r"`docker compose up -d (?:--\S+ \S+ )*([a-z ]+)`", page):
        assert set(started.split()) <= set(compose["services"])
    units = set(re.findall(r"revoada-(\w+)@", page))
    assert units == set(read_procfile()) - {"flower"}


def test_prometheus_asks_each_role_that_has_metrics(compose, project):
    config = yaml.safe_load((project / "deploy/prometheus/prometheus.yml").read_text())
    [asked] = config["scrape_configs"][0]["dns_sd_configs"]
    assert set(asked["names"]) == set(read_procfile()) - {"beat", "flower"}
    assert str(asked["port"]) == compose["services"]["worker"]["environment"]["REVOADA_METRICS_PORT"]
    [alertmanager] = config["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"] == [{"targets": ["alertmanager:9093"]}]
    alerts = yaml.safe_load((project / "deploy/alertmanager/alertmanager.yml").read_text())
    assert alerts["route"]["receiver"] in {each["name"] for each in alerts["receivers"]}
    [posted] = alerts["receivers"][0]["webhook_configs"]
    assert posted["url_file"] == f"/run/secrets/{compose['services']['alertmanager']['secrets'][0]}"


def test_an_upgrade_replaces_each_role_once_after_the_migration(project):
    script = (project / "deploy/upgrade.sh").read_text()
    replaced = re.search(r"^for role in (.+); do$", script, re.MULTILINE)[1].split()
    replaced += re.findall(r"^docker compose up .* (\w+)$", script, re.MULTILINE)
    assert sorted(replaced) == sorted(read_procfile())
    assert script.index("run --rm migrate") < script.index("for role in")
    assert replaced.index("files") < replaced.index("console")


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
        "COMPOSE_FILE",
        "COMPOSE_PROFILES",
        "REVOADA_DOMAIN",
        "REVOADA_FRONT_NETWORK",
        "REVOADA_IMAGE",
        "REVOADA_PROXY_ADDRESS",
        "REVOADA_VERSION",
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
