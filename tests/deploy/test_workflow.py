"""The workflow of public CI: it names what the Procfile and docker-compose.yml have, and its campaign is sent."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import yaml
from harness import Flow

from devstack.roles import PROJECT, read_procfile

STEP = "Send a campaign, and add a worker meanwhile"


@pytest.fixture
def workflow() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())


@pytest.fixture
def compose() -> dict[str, Any]:
    return yaml.safe_load((PROJECT / "docker-compose.yml").read_text())


def list_scripts(workflow):
    return [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]


def test_each_script_is_one_of_the_shell(workflow):
    for script in list_scripts(workflow):
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)


def test_make_has_the_targets_of_the_workflow(workflow):
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    named = {name for script in list_scripts(workflow) for name in re.findall(r"^make (\S+)$", script, re.MULTILINE)}
    assert {"check", "test", "test-deploy", "dist"} <= named <= targets


def test_services_and_files_of_the_workflow_exist(workflow, compose):
    text = "\n".join(list_scripts(workflow))
    services = compose["services"].keys()
    assert set(re.findall(r"--scale (\w+)=", text)) == {"worker"}
    named = re.findall(r"docker compose run --rm(?: --no-TTY)? (\w+)", text)
    named += re.findall(r"docker compose exec --no-TTY(?: --env \S+)? (\w+)", text)
    assert set(named) <= services
    assert {"revoada", "dump", "restore", "backup", "postgres"} <= set(named)
    profiles = {name for service in compose["services"].values() for name in service.get("profiles", [])}
    assert set(re.findall(r"--profile (\w+)", text)) == profiles
    for name in re.findall(r"(?<![\w./])deploy/[\w./-]+", text):
        assert (PROJECT / name).exists(), name
    assert re.findall(r"secrets/(\w+)", text) == ["meta_app_secret"]


def test_the_workflow_gives_what_compose_demands(workflow, compose):
    demanded = set(re.findall(r"\$\{([A-Z_]+):\?", (PROJECT / "docker-compose.yml").read_text()))
    environment = workflow["jobs"]["compose"]["env"]
    assert demanded <= environment.keys()
    files = environment["COMPOSE_FILE"].split(":")
    started = {name for file in files for name in yaml.safe_load((PROJECT / file).read_text())["services"]}
    assert started == compose["services"].keys() | {"simulator"}
    assert set(read_procfile()) < started


def test_the_simulator_of_the_workflow_signs_with_the_secret_that_the_roles_read(workflow):
    script = json.loads((PROJECT / "deploy/ci/simulator.json").read_text())
    text = "\n".join(list_scripts(workflow))
    assert f"echo {script['webhooks']['app_secret']} | sudo tee secrets/meta_app_secret" in text
    assert f"echo {script['tokens'][0]} | revoada account add" in text
    [(number, account)] = script["accounts"].items()
    assert f"--phone-number-id {number} --waba-id {account['waba_id']}" in text
    assert script["webhooks"]["callback_url"] == "http://webhooks:8000/webhooks/whatsapp"


@pytest.mark.timeout(600)
def test_the_campaign_of_the_workflow_is_sent(flow: Flow, workflow, tmp_path) -> None:
    """Its commands run with roles of this machine in place of containers."""
    [script] = [step["run"] for step in workflow["jobs"]["compose"]["steps"] if step.get("name") == STEP]
    played = json.loads((PROJECT / "deploy/ci/simulator.json").read_text())
    del played["webhooks"]["callback_url"], played["webhooks"]["app_secret"]
    flow.far.script(**played)
    flow.start("webhooks", "events", "worker", tick_seconds=1)
    flow.await_ready("webhooks", "events", "worker")
    (tmp_path / "data").mkdir()
    stand_ins = f"""
        docker() {{ [ "$2" != run ] || (shift 5 && cd data && {PROJECT}/.venv/bin/revoada "$@"); }}
        sudo() {{ "$@"; }}
    """
    command = ["bash", "-e", "-o", "pipefail", "-c", stand_ins + script]
    done = subprocess.run(
        command, cwd=tmp_path, env=flow.stack.environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert json.loads((tmp_path / "show.json").read_text())["status"] == "completed"
    flow.assert_nobody_got_two()
