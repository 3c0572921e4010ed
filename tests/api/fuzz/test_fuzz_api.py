"""schemathesis makes requests from the description of the API, and judges the answers of the real application.

`make test-api` runs this module within some minutes, and `make nightly` with more requests (SECONDS=…).
"""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest

from api.access import ANY_TOKEN, find_demand
from campaigns.domain.users.rights import Role
from campaigns.domain.users.scopes import Scope
from campaigns.throttle.requests import RequestLimit
from tests.api.conftest import Api
from tests.support.serving import serving

CONFIG = Path(__file__).with_name("schemathesis.toml")
# The budget for each operation, and the seed, so that a failure comes again.
SECONDS = float(os.environ.get("SECONDS", "1"))
SEED = os.environ.get("SEED", "1")


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *_arguments):
        pass


@pytest.fixture
def api(database, settings):
    """The API for programs that never reach their limit: a minute passes before each request."""
    return Api(database, settings, limit=RequestLimit(None, now=itertools.count(step=60).__next__))


@pytest.fixture
def url(api, make_draft):
    """The address of the API. It has drafts, a campaign that runs, two accounts and a template."""
    for number in range(9):
        make_draft(f"Draft {number}")
    api.program().ok("POST", f"/campaigns/{make_draft('Natal')}:start")
    server = make_server("127.0.0.1", 0, api.console, server_class=Server, handler_class=Quiet)
    with serving(server):
        yield f"http://127.0.0.1:{server.server_port}/api/v1"


def fuzz(url, *options, seconds):
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG, "run", f"{url}/openapi.json"]
    chosen = ["--checks", "all", "--max-time", str(math.ceil(seconds)), "--seed", SEED, "--no-color"]
    chosen += ["--continue-on-failure", "--generation-database", "none", "--warnings", "off"]
    done = subprocess.run([*command, *chosen, *options], capture_output=True, text=True, check=False, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr


def list_operations(api, *demands):
    """The names of the operations that demand one of these, in the description."""
    demanded = {endpoint: find_demand(api.app, endpoint) for endpoint in api.app.view_functions}
    return sorted(name.partition(".")[2].rstrip("_") for name, demand in demanded.items() if demand in demands)


def test_without_a_token(api, url):
    fuzz(url, seconds=SECONDS * 10)


@pytest.mark.parametrize("scope", list(Scope))
def test_with_the_token_of_one_scope(api, url, scope):
    """The operations that the scope opens. The others answer 403, which tests/api/test_api_access.py tests."""
    program = api.program(Role.ADMIN, [scope])
    names = list_operations(api, scope, ANY_TOKEN)
    chosen = [f"--include-operation-id={name}" for name in names]
    fuzz(url, "--header", f"Authorization:{program.headers['Authorization']}", *chosen, seconds=SECONDS * len(names))


def test_with_all_scopes_one_request_after_the_other(api, url):
    """Requests whose ids come from answers: what was made is read, changed and deleted."""
    program = api.program(Role.ADMIN)
    header = f"Authorization:{program.headers['Authorization']}"
    fuzz(url, "--header", header, "--phases", "stateful", seconds=SECONDS * 15)
