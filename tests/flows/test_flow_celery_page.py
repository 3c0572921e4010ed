"""The commands of docs/celery.md, run in their order against real processes, print what the page shows.

Numbers, ids and times may differ, and the order of lines, because processes answer in any order. `WRITE_GOLDEN=1`
writes the outputs into the page.
"""

from __future__ import annotations

import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from harness import PATIENCE_SECONDS, Flow, wait_for

from devstack.roles import PROJECT

PAGE = PROJECT / "docs/celery.md"
BLOCK = re.compile(r"^```sh\n(.*?)\n```\n\n```text\n(.*?)```", re.MULTILINE | re.DOTALL)
# The process ids of the page.
PIDS = {"worker": "71", "events": "72", "files": "73", "worker2": "95"}
HOST = "host1"


@pytest.fixture
def running(flow: Flow) -> Flow:
    """An installation with three campaigns in one worker, each with few messages a second."""
    flow.stack.environment |= {
        "REVOADA_LEASE_SECONDS": f"{3 * PATIENCE_SECONDS}",
        "REVOADA_LANGUAGE": "en",
        "REVOADA_SLICE_SECONDS": "4",
    }
    for name in ("worker", "events", "files"):
        flow.stack.start_role(name)
    flow.start("beat", tick_seconds=2)
    flow.await_ready()
    names = {"Black Friday": "sales", "Newsletter": "news", "Reminder": "service"}
    campaigns = [flow.add_campaign(name, [flow.add_account(names[name], rate=1)], people=2_000) for name in names]
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 1)
    return flow


def test_each_command_prints_what_the_page_shows(running: Flow) -> None:
    page = PAGE.read_text("utf-8")
    blocks = BLOCK.findall(page)
    assert len(blocks) == page.count("```text\n")
    hooks = list_hooks(running)
    for command, shown in blocks:
        before, after = hooks.pop(command, (None, None))
        if before is not None:
            before()
        if os.environ.get("WRITE_GOLDEN"):
            block = "```sh\n{}\n```\n\n```text\n{}```".format
            page = page.replace(block(command, shown), block(command, run(running, command)), 1)
        else:
            await_output(running, command, shown)
        if after is not None:
            after()
    assert hooks == {}
    PAGE.write_text(page, "utf-8")
    running.assert_nobody_got_two()


def list_hooks(flow: Flow) -> dict[str, tuple[Callable[[], object] | None, Callable[[], object] | None]]:
    """Return what happens before and after commands of the page."""
    worker = flow.role("worker")

    def add_worker() -> None:
        worker.send_signal(signal.SIGCONT)
        flow.stack.start_role("worker2", role="worker")
        flow.await_ready("worker2")

    def await_end() -> None:
        wait_for(lambda: not worker.is_running(), "the drained worker has ended")
        flow.forget_role("worker")

    def fill_queue() -> None:
        run(flow, "celery -A campaigns control -d worker-95@host1 cancel_consumer campaigns")
        queued = "celery -A campaigns amqp queue.declare campaigns"
        wait_for(lambda: "messages:3 " in run(flow, queued), "three tasks wait")

    def await_messages() -> None:
        """After a purge, the ticks enqueue all campaigns again."""
        run(flow, "celery -A campaigns control -d worker-95@host1 add_consumer campaigns")
        count = len(flow.far.accepted())
        wait_for(lambda: len(flow.far.accepted()) > count, "messages leave again")

    return {
        "celery -A campaigns inspect ping -d worker-71@host1 --timeout 5": (
            lambda: worker.send_signal(signal.SIGSTOP),
            None,
        ),
        "revoada doctor | grep -A1 'queue .campaigns'": (None, add_worker),
        "celery -A campaigns control -d worker-71@host1 shutdown": (None, await_end),
        "celery -A campaigns purge -f -Q campaigns": (fill_queue, await_messages),
    }


def await_output(flow: Flow, command: str, shown: str) -> None:
    """Wait until the command prints what the page shows: between two slices a campaign is in no worker."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while find_shape(printed := run(flow, command)) != find_shape(shown):
        assert time.monotonic() < deadline, f"{command}\n{printed}"


def run(flow: Flow, command: str) -> str:
    """Run a command of the page in a shell; return its output with the names that the page gives to the processes."""
    names = {f"{role.pid}": PIDS[role.name] for role in flow.stack.roles if role.name in PIDS}
    for pid, number in names.items():
        command = command.replace(f"-{number}@{HOST}", f"-{pid}@{platform.node()}")
    environment = flow.stack.environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        command, shell=True, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False,
        timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    output = (
        (done.stdout + done.stderr)
        .replace(f"@{platform.node()}", f"@{HOST}")
        .replace(f" {platform.node()}:", f" {HOST}:")
    )
    for pid, number in names.items():
        output = re.sub(rf"(?<=[-:]){pid}\b", number, output)
    output = re.sub(r"redis://\S+/\d+", "redis://:**@valkey:6379/0", output)
    return "".join(f"{line.rstrip()}\n" for line in output.splitlines() if line.strip())


def find_shape(output: str) -> list[str]:
    """Return the lines without numbers, ids and times."""
    plain = re.sub(r"─+", "─", re.sub(r"\d[\d,.:-]*", "N", output))
    return sorted(" ".join(line.split()) for line in plain.splitlines())
