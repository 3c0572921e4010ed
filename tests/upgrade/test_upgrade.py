"""A rolling upgrade: processes of an old version work beside those of today, on one database and one broker."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from harness import Flow

from devstack.roles import Role, read_procfile, start_process

PEOPLE = 600


@pytest.mark.timeout(600)
def test_old_and_new_processes_share_the_campaigns_and_everybody_gets_one(flow: Flow, old_source: Path) -> None:
    flow.start("webhooks", "events", "worker", tick_seconds=1, slice_seconds=2)
    for name in ("events", "worker", "beat"):
        flow.stack.roles.append(start_old(flow, old_source, name))
    accounts = [flow.add_account(f"Account {number}", rate=40) for number in range(6)]
    campaigns = [flow.add_campaign(f"Campaign {account.id}", [account], people=PEOPLE) for account in accounts]
    flow.await_ready("webhooks", "events", "worker")
    flow.await_ready("old_events", "old_worker")

    flow.start_campaigns(*campaigns)
    flow.await_status("completed", *campaigns)
    flow.await_arrival(*campaigns)

    flow.assert_everybody_got_one(*campaigns)
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()
    workers = {each["role"] for each in flow.events("batch")}
    assert workers == {"worker", "old_worker"}, "both versions send"
    appliers = {each["role"] for each in flow.events("webhooks_applied")}
    assert appliers == {"events", "old_events"}, "both versions apply webhooks"
    assert flow.events("task_refused") == []
    assert flow.events("slice_error") == []


def start_old(flow: Flow, source: Path, name: str) -> Role:
    """Start a role with the Procfile and the code of an old version."""
    command = read_procfile(source / "Procfile")[name].replace("-n ", "-n old_")
    environment = {**flow.stack.environment, "PYTHONPATH": str(source)}
    log_path = flow.stack.folder / "logs" / f"old_{name}.log"
    options = f" --schedule={shlex.quote(str(flow.stack.folder / 'schedule'))}" if name == "beat" else ""
    return start_process(
        f"old_{name}", f"cd {shlex.quote(str(source))} && {command}{options}", environment, log_path, kind=name
    )
