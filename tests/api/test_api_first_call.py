"""The commands of the first call in the documents, each run as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from campaigns.management.files.work import do_next_job
from tests.store.rows import fetch
from tests.support.console_role import run_console


@pytest.fixture
def commands(project):
    """The commands of the section, in their order."""
    section = (project / "docs/api.md").read_text().partition("## The first call")[2].partition("\n## ")[0]
    return "".join(re.findall(r"```sh\n(.*?)```", section, re.DOTALL))


@pytest.fixture
def _reads_lists(house):
    """A process that reads the lists."""
    is_over = threading.Event()

    def work():
        while not is_over.wait(0.2):
            do_next_job(house, secret_key=None, overlap_days=7)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    is_over.set()
    thread.join()


@pytest.mark.usefixtures("_reads_lists")
def test_the_first_call_works_as_it_stands_in_the_document(project, house, database_url, tmp_path, commands):
    (tmp_path / "people.csv").write_text("phone,nome\n+5511999990001,Ana\n")
    with run_console(project, database_url) as (url, _):
        script = commands.replace("http://127.0.0.1:8080", url)
        assert url in script
        environment = os.environ | {
            "DATABASE_URL": database_url,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        command = ["bash", "-e", "-o", "pipefail", "-c", script]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=240
        )
    assert done.returncode == 0, done.stderr
    assert '"name":"maria"' in done.stdout.replace(": ", ":")
    assert '"code":' not in done.stdout.partition('"warnings"')[0]
    assert fetch(house, "SELECT name, status FROM campaigns") == [("Black Friday", "pending")]
    assert fetch(house, "SELECT count(*) FROM messages") == [1]
