"""The console as its role runs it: gunicorn with greenlets, by the command of the Procfile."""

from __future__ import annotations

import html
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from campaigns.secrets import make_key
from devstack.ports import LOOPBACK, free_port
from devstack.roles import read_procfile
from tests.console.conftest import WORDS
from tests.simulator.far_end import PATIENCE_SECONDS, wait_for

NOBODY = "redis://127.0.0.1:9/0"


@contextmanager
def run_console(
    project: Path, database_url: str, *, redis_url: str = NOBODY
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Run the role on a free port until the block ends; its address and its process."""
    port = free_port()
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REVOADA_SECRET_KEY": make_key(),
        "REDIS_URL": redis_url,
        "HOST": LOOPBACK,
        "PORT": str(port),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        # The tests before have filled their own environment.
        "REVOADA_PUBLIC_URL": "",
    }
    command = shlex.split(read_procfile()["console"].removeprefix("exec "))
    with subprocess.Popen(command, env=environment, cwd=project, stderr=subprocess.PIPE, text=True) as process:
        url = f"http://localhost:{port}"
        try:
            wait_for(lambda: is_ready(url))
            yield url, process
        finally:
            process.kill()


def is_ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/readyz", timeout=PATIENCE_SECONDS).ok
    except requests.ConnectionError:
        return False


def sign_in(url: str, name: str) -> requests.Session:
    browser = requests.Session()
    answer = send_form(browser, f"{url}/login", {"name": name, "password": WORDS})
    assert "Sign out" in answer.text
    return browser


def send_form(browser: requests.Session, url: str, data: dict[str, str], **options: object) -> requests.Response:
    """Send the form of a page with its token and its hidden fields."""
    page = browser.get(url, timeout=PATIENCE_SECONDS).text
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page)
    assert token is not None, page
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page)
    fields = {name: html.unescape(value) for name, value in hidden} | data | {"csrf_token": token[1]}
    return browser.post(url, data=fields, timeout=PATIENCE_SECONDS, **options)
