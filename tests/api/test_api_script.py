"""The script of the documents runs a campaign by the API, and goes on after it was interrupted."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.files.work import do_next_job
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from tests.simulator.far_end import wait_for
from tests.store.rows import fetch
from tests.support.actors import TESTER
from tests.support.console_role import run_console


@pytest.fixture
def secret(house):
    scopes = {Scope.CAMPAIGNS_READ, Scope.CAMPAIGNS_WRITE, Scope.CAMPAIGNS_SEND}
    add_user(house, "maria", actor=TESTER, role=Role.OPERATOR, password=None, time_zone="UTC")
    return add_token(house, "crm", owner="maria", scopes=scopes, days=1, actor=TESTER).secret


@pytest.fixture
def start_script(project, tmp_path, secret):
    file = tmp_path / "people.csv"
    file.write_text("phone,nome\n+5511999990001,Ana\n+5511999990002,Bia\n123,Caio\n")

    def start(url, template="promo:pt_BR"):
        command = [sys.executable, "docs/run_campaign.py", "Sale", template, "sales", str(file)]
        environment = os.environ | {"REVOADA_API": f"{url}/api/v1", "REVOADA_TOKEN": secret}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=project, env=environment, **pipes)

    return start


def test_the_script_runs_a_campaign_and_starts_it_once(project, house, database_url, start_script):
    with run_console(project, database_url) as (url, _):
        with start_script(url) as first:
            wait_for(lambda: do_next_job(house, secret_key=None, overlap_days=7))
            wait_for(lambda: fetch(house, "SELECT status FROM campaigns") == ["pending"])
            first.kill()
        ended = "UPDATE campaigns SET status = 'completed', started_at = now(), completed_at = now()"
        fetch(house, ended)
        with start_script(url) as again:
            output, errors = again.communicate(timeout=240)
        assert (again.returncode, output, errors) == (0, "completed: 0 delivered, 0 failed\n", "")
    assert fetch(house, "SELECT name FROM campaigns") == ["Sale"]
    assert fetch(house, "SELECT count(*) FROM messages") == [2]


def test_the_script_has_the_40_lines_that_the_documents_promise(project):
    assert "in 40 lines of Python" in (project / "docs/api.md").read_text()
    assert len([line for line in (project / "docs/run_campaign.py").read_text().splitlines() if line]) <= 40


def test_the_script_ends_with_the_sentence_of_a_refusal(project, database_url, start_script):
    with run_console(project, database_url) as (url, _), start_script(url, "nothing:en") as script:
        output, errors = script.communicate(timeout=240)
    assert (script.returncode, output) == (1, "")
    assert errors.startswith("template_missing: There is no template nothing")


def test_the_script_without_its_words_or_its_token_says_how_it_is_called(project):
    for words, token in (["Sale", "promo:pt_BR"], "rv_1"), (["Sale", "promo:pt_BR", "sales", "people.csv"], ""):
        environment = os.environ | {"REVOADA_API": "http://127.0.0.1:9/api/v1", "REVOADA_TOKEN": token}
        command = [sys.executable, "docs/run_campaign.py", *words]
        done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert done.stderr.startswith("Runs a campaign by the API: `python docs/run_campaign.py NAME TEMPLATE")
