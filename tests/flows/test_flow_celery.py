"""A failed slice is a failed task, newer versions' tasks run, errors of Celery are loud, remote control answers.

The worker publishes events, notes what it sees of each task, and fails where a test tells it to
(`instrumented_worker.py`).
"""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from harness import PATIENCE_SECONDS, Flow, run_together, wait_for

FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN RAISE EXCEPTION 'phone +5511999998888'; END $$;
    CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON leases FOR EACH ROW WHEN (NEW.campaign_id = {id})
    EXECUTE FUNCTION fail()
"""
SLOTS = 4
MEND = "DROP FUNCTION fail CASCADE"
TRACE = {
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "tracestate": "congo=t61rcWkgMzE",
    "baggage": "serverNode=DF",
    "sentry-trace": "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
}


@pytest.fixture(scope="module")
def noted(module_flow: Flow) -> Path:
    """The file with the headers of each task that the worker has begun."""
    return module_flow.stack.folder / "noted"


@pytest.fixture(scope="module")
def seen(module_flow: Flow, noted: Path) -> Flow:
    module_flow.stack.environment["NOTED"] = str(noted)
    for role in ("events", "beat", "worker"):
        module_flow.stack.environment["REVOADA_ALIVE_FILE"] = str(module_flow.stack.folder / f"alive-{role}")
        if role == "worker":
            module_flow.stack.start_role("worker", "-E", "-I", "tests.flows.instrumented_worker")
        else:
            module_flow.start(role, tick_seconds=1, slots=SLOTS, exit_on_stall_seconds=10)
    module_flow.await_ready()
    return module_flow


@pytest.fixture
def flow(seen: Flow) -> Flow:
    seen.begin_anew()
    return seen


@contextmanager
def listening(flow: Flow) -> Iterator[list[dict[str, Any]]]:
    """Collect the events that Flower would show."""
    events: list[dict[str, Any]] = []
    app = Celery("listener", broker=flow.stack.environment["REDIS_URL"], set_as_current=False)
    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": events.append})
        thread = threading.Thread(target=receiver.capture)
        thread.start()
        try:
            wait_for(lambda: events, "the heartbeat of a process has come")
            yield events
        finally:
            receiver.should_stop = True
            thread.join()
    app.close()


def test_a_failed_slice_is_a_failed_task_and_its_campaign_goes_on_afterwards(flow: Flow) -> None:
    failing = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=20)
    other = flow.add_campaign("Newsletter", [flow.add_account("Novidades")], people=20)
    flow.execute(FAIL.format(id=failing.id))
    with listening(flow) as events:
        flow.start_campaigns(failing, other)
        failed = wait_for(lambda: [each for each in events if each["type"] == "task-failed"], "a task has failed")
        flow.await_status("completed", other)
    flow.execute(MEND)
    flow.await_status("completed", failing)

    assert {each["exception"] for each in failed} == {"SliceFailedError('RaiseException')"}
    # Celery publishes events to everyone who can read from the broker.
    assert "5511999998888" not in str(events)
    begun = {each["uuid"] for each in events if each["type"] == "task-received" and each["name"] == "campaigns.run"}
    assert {each["uuid"] for each in failed} <= begun
    assert {each["campaign_id"] for each in flow.events("slice_error", level="ERROR")} == {failing.id}
    # Celery logs it in one line, because the log has it in full already.
    assert {each["level"] for each in flow.events("celery.app.trace")} <= {"INFO"}
    flow.assert_everybody_got_one(failing, other)
    flow.assert_no_lease_lives()


def test_a_slice_of_a_newer_version_runs_and_the_trace_goes_on_in_the_worker(flow: Flow, noted: Path) -> None:
    """Beat may enqueue the campaign too, so the task is recognised by its id."""
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=20)
    publish(flow, (campaign.id, 35, None), task_id="newer", headers=TRACE | {"headers": TRACE, "x-unknown": "1"})
    begun = wait_for(lambda: find_noted(noted, "newer"), "the task has begun")
    flow.start_campaigns(campaign)
    flow.await_status("completed", campaign)

    assert begun["args"] == [campaign.id]
    assert begun["trace"] == begun["headers"] == TRACE
    assert "x-unknown" not in begun["all"]
    assert flow.events("task_refused") == flow.events("slice_error") == []
    flow.assert_everybody_got_one(campaign)


def test_an_error_in_celerys_own_handling_is_logged_in_full_and_takes_no_slot(flow: Flow) -> None:
    """More tasks fail than the worker has slots, each before a thread runs it."""
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=20)
    ids = ["broken", *(f"broken-late-{number}" for number in range(SLOTS))] * 2
    for task_id in ids:
        publish(flow, (campaign.id,), task_id=task_id)
    failed = wait_for(
        lambda: (each := flow.events("task_handler_error")) and len(each) == len(ids) and each, "all have failed"
    )
    flow.start_campaigns(campaign)
    flow.await_status("completed", campaign)

    flow.stack.check_alive()
    assert {(each["level"], each["task"], each["queue"]) for each in failed} == {
        ("ERROR", "campaigns.run", "campaigns")
    }
    assert all("KeyError: 'a bug in Celery'" in each["exception"] for each in failed)
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as broker:
        wait_for(lambda: not broker.hlen("unacked"), "no message is kept")
    flow.assert_everybody_got_one(campaign)


def test_each_process_touches_its_file_while_it_works(flow: Flow) -> None:
    for role in ("worker", "events", "beat"):
        file = flow.stack.folder / f"alive-{role}"
        before = wait_for(lambda file=file: file.exists() and file.stat().st_mtime_ns, "the file is there")
        wait_for(lambda file=file, before=before: file.stat().st_mtime_ns > before, "it was touched again")


def test_a_command_that_cannot_work_is_answered_with_the_reason_and_changes_nothing(flow: Flow) -> None:
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=20)], people=200)
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 5)
    answers = {
        "pool_grow 2": "REVOADA_SLOTS",
        "pool_shrink 2": "REVOADA_SLOTS",
        "autoscale 9 1": "REVOADA_SLOTS",
        "pool_restart": "SIGTERM",
        "revoke some-id": "revoada campaign pause",
        "terminate SIGKILL some-id": "revoada campaign pause",
        "rate_limit campaigns.run 1/m": "--messages-per-second",
        "time_limit campaigns.run 1 1": "REVOADA_SLICE_SECONDS",
        "cancel_consumer webhooks": "campaigns",
        "cancel_consumer no-such-queue": "campaigns",
        "add_consumer webhooks": "campaigns",
        "add_consumer campaigns other-exchange": "name of a queue only",
    }
    asked = run_together(*(lambda words=words: control(flow, *words.split()) for words in answers))
    for (words, expected), done in zip(answers.items(), asked, strict=True):
        assert "ERROR" in done.stdout and expected in " ".join(done.stdout.split()), (words, done.stdout, done.stderr)
    flow.await_status("completed", campaign)
    flow.stack.check_alive()
    flow.assert_everybody_got_one(campaign)
    assert "Traceback" not in flow.read_log(flow.role("worker").log_path)


def test_a_worker_whose_queue_is_cancelled_stays_so_and_the_doctor_says_how_to_undo_it(flow: Flow, noted: Path) -> None:
    """It stays so after a reconnect, and the watchdog does not end it, because it takes its probes."""
    name = worker_name(flow)
    assert "takes no more tasks of campaigns" in control(flow, "cancel_consumer", "campaigns").stdout
    wait_for(lambda: find_changed(flow), "the doctor has found it")
    with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as broker:
        for kind in ("normal", "pubsub"):
            broker.client_kill_filter(_type=kind, skipme=True)
    probes = count_probes(noted)
    wait_for(lambda: count_probes(noted) >= probes + 3, "it takes probes")
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=20)
    started = flow.run_command("revoada", "campaign", "start", str(campaign.id), "--yes")
    assert "No worker takes campaigns, because remote control has cancelled the queue `campaigns`" in started.stderr
    flow.await_ticks(3)
    flow.stack.check_alive()
    assert flow.counts(campaign) == {"pending": 20}
    (found,) = wait_for(lambda: find_changed(flow), "it answers again")
    assert name in found["text"] and "`campaigns`" in found["text"]
    assert found["severity"] == "warning"
    assert flow.events("worker_stalled") == []

    (command,) = re.findall(r"`(celery [^`]+)`", found["advice"])
    wait_for(lambda: "takes tasks of campaigns" in flow.run_command(*command.split()).stdout, "it takes tasks again")
    flow.await_status("completed", campaign)
    wait_for(lambda: not find_changed(flow), "the doctor finds nothing")
    flow.assert_everybody_got_one(campaign)


def worker_name(flow: Flow) -> str:
    found = wait_for(lambda: flow.query("SELECT name FROM workers WHERE 'campaigns' = ANY (queues)"), "it has reported")
    return found[0][0]


def control(flow: Flow, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `celery control`, and wait for the answer of the worker."""
    return flow.run_command(
        *("celery", "-A", "campaigns", "control", "-d", worker_name(flow), "--timeout", str(PATIENCE_SECONDS), *words)
    )


def find_changed(flow: Flow) -> list[dict[str, Any]]:
    findings = json.loads(flow.run_command("revoada", "doctor", "--json").stdout)
    return [each for each in findings if each["kind"] == "changed_consumers"]


def count_probes(noted: Path) -> int:
    return sum(json.loads(line)["task"] == "campaigns.probe" for line in noted.read_text().splitlines())


def publish(flow: Flow, arguments: tuple[object, ...], *, task_id: str, headers: dict[str, Any] | None = None) -> None:
    app = Celery("publisher", broker=flow.stack.environment["REDIS_URL"], set_as_current=False)
    app.send_task("campaigns.run", arguments, task_id=task_id, queue="campaigns", headers=headers or {})
    app.close()


def find_noted(path: Path, task_id: str) -> dict[str, Any] | None:
    lines = path.read_text().splitlines() if path.exists() else []
    return next((each for each in map(json.loads, lines) if each["id"] == task_id), None)
