"""The role is killed while programs send changes: each key is carried out once, and keeps its answer."""

from __future__ import annotations

import threading
from contextlib import suppress

import psutil
import pytest
import requests

from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.management.accounts import add_template
from campaigns.management.users.tokens import add_token
from campaigns.management.users.users import add_user
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for
from tests.store.rows import Beside, fetch
from tests.support.actors import TESTER
from tests.support.console_role import run_console

PROGRAMS, KEYS, KILLS = 4, 12, 5
# A server that dies closes the connection before its answer, or in the middle of it.
LOST = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.fixture
def headers(database):
    add_template(database, "promo", language="pt_BR", body="Oi!", actor=TESTER)
    add_user(database, "maria", actor=TESTER, role=Role.PLANNER, password=None, time_zone="UTC")
    added = add_token(database, "crm", owner="maria", scopes={Scope.CAMPAIGNS_WRITE}, days=1, actor=TESTER)
    return {"Authorization": f"Bearer {added.secret}"}


def post_until_answered(url, headers, key):
    """Repeat a request until it is answered; return the id of the draft."""
    body, headers = {"name": key, "template": "promo:pt_BR"}, headers | {"Idempotency-Key": key}
    while True:
        with suppress(*LOST):
            answer = requests.post(f"{url}/api/v1/campaigns", json=body, headers=headers, timeout=PATIENCE_SECONDS)
            if answer.status_code == 201:
                return answer.json()["id"]
            assert answer.status_code in {409, 503}, answer.text


def test_a_server_that_is_killed_makes_no_draft_twice_and_loses_none(project, database, database_url, headers):
    made, lock = {}, threading.Lock()

    def send(url):
        # Each key is sent by all programs, as by a program that repeats its request.
        for number in range(KEYS):
            found = post_until_answered(url, headers, f"draft-{number}")
            with lock:
                made.setdefault(number, set()).add(found)

    with run_console(project, database_url) as (url, process):
        programs = [Beside(send, url) for _ in range(PROGRAMS)]
        for kill in range(KILLS):
            wait_for(lambda kill=kill: len(made) >= min(2 * kill, KEYS))
            for child in psutil.Process(process.pid).children():
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        for program in programs:
            program.result()
        found = {number: post_until_answered(url, headers, f"draft-{number}") for number in range(KEYS)}
    assert made == {number: {draft_id} for number, draft_id in found.items()}
    assert sorted(fetch(database, "SELECT name FROM campaigns")) == sorted(f"draft-{number}" for number in range(KEYS))
