"""Tasks that come three times, again while they run, or never: the result is the same."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
from harness import QUEUES, Campaign, Flow, run_together, wait_for

from devstack.proxy import Proxy

TRIPLED = Path(__file__).parent / "tripled"
COPIES = 3
# More tasks than that wait: the workers have enough to refuse.
ENOUGH_TASKS = 20


def test_every_task_three_times_from_two_beats_and_again_while_it_runs_changes_nothing(flow: Flow, gate: Proxy) -> None:
    """All tasks: ticks, slices, webhooks, health. The broker takes a slice for lost long before it is over.

    Somebody publishes the tasks of the campaigns at the same time, from several threads, while all of them run.
    """
    flow.stack.environment["PYTHONPATH"] = str(TRIPLED)
    # Two slots each: four campaigns that run at the same time run on both workers.
    flow.start(
        *("webhooks", "events", "worker", "worker2", "beat", "beat2"),
        tick_seconds=1,
        slice_seconds=2,
        visibility_timeout_seconds=1,
        slots=2,
    )
    flow.far.script(webhooks={"duplicate_probability": 0.3, "shuffle": True, "batch_size": 5})
    accounts = [flow.add_account("Vendas", rate=40), flow.add_account("Novidades", rate=40)]
    campaigns = [flow.add_campaign(f"Campaign {number}", accounts, people=120) for number in range(4)]
    flow.await_ready()

    gate.freeze()
    flow.start_campaigns(*campaigns)
    owners = "SELECT count(*), count(DISTINCT owner) FROM leases WHERE until > clock_timestamp()"
    with _enqueueing(flow, campaigns):
        wait_for(lambda: flow.query(owners) == [(4, 2)], "all run, and on both workers")
        flow.await_on_the_wire(*campaigns)
        gate.thaw()
        flow.await_status("completed", *campaigns)
    flow.await_arrival(*campaigns)
    wait_for(
        lambda: flow.far.has_told_all() and flow.query("SELECT count(*) FROM webhook_events") == [(0,)],
        "all webhooks are applied",
    )

    # Three of each, and the one that runs comes once more after a second.
    totals = wait_for(lambda: _count_runs(flow), "both workers say how much they have run")
    runs = sum(totals)
    slices = len(flow.events("accounts_active"))
    assert runs > 3 * slices, (runs, slices)
    assert {each["role"] for each in flow.events("accounts_active")} == {"worker", "worker2"}
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    assert flow.query("SELECT DISTINCT send_no, attempts FROM messages") == [(1, 1)]
    for campaign in campaigns:
        assert len(flow.events("campaign_started", campaign_id=campaign.id)) == 1
        assert len(flow.events("campaign_completed", campaign_id=campaign.id)) == 1
    for name in ("slice_error", "slice_failed", "abandoned", "leases_not_kept"):
        assert flow.events(name) == []
    for beat in ("beat", "beat2"):
        assert "campaigns.tick" in flow.role(beat).log_path.read_text()
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()


def test_tasks_that_are_lost_and_a_beat_that_is_away_cost_time_only(flow: Flow, redis_url: str) -> None:
    flow.start("webhooks", "events", "worker", "beat", tick_seconds=1, slice_seconds=1)
    account = flow.add_account("Vendas", rate=200)
    lost, scheduled, running = (
        flow.add_campaign("Lost", [account], people=600),
        flow.add_campaign("Scheduled", [account], people=50),
        flow.add_campaign("Running", [flow.add_account("Novidades", rate=20)], people=160),
    )
    flow.await_ready()
    with _emptying_queues(redis_url):
        flow.start_campaigns(lost)
        ticks = _count_ticks(flow)
        wait_for(lambda: _count_ticks(flow) > ticks + 5, "ticks pass")
    flow.await_status("completed", lost)
    flow.await_arrival(lost)

    flow.start_campaigns(running)
    flow.await_accepted(running, 5)
    flow.role("beat").stop()
    flow.forget_role("beat")
    flow.execute(f"UPDATE campaigns SET scheduled_at = now() + interval '1 h' WHERE id = {scheduled.id}")
    flow.start_campaigns(scheduled)
    flow.execute(f"UPDATE campaigns SET scheduled_at = now() WHERE id = {scheduled.id}")
    flow.await_status("completed", running)
    assert flow.status(scheduled) == ("scheduled", None)
    with redis.Redis.from_url(redis_url) as client:
        wait_for(lambda: not any(client.llen(name) for name in QUEUES), "nothing piles up")
    flow.start("beat2")
    flow.await_status("completed", scheduled)
    flow.await_arrival(running, scheduled)
    flow.assert_everybody_got_one(lost, scheduled, running)
    assert set(flow.far.arrived().values()) == {1}
    assert flow.counts().keys() <= {"delivered", "read"}
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()


def _count_runs(flow: Flow) -> list[int] | None:
    """Ask both workers how many tasks of campaigns they have run; None if one has not answered in time."""
    asked = flow.run_command("celery", "-A", "campaigns", "inspect", "stats", "--json", "--timeout", "4")
    answers = json.loads(asked.stdout) if asked.returncode == 0 else {}
    found = [each["total"].get("campaigns.run", 0) for name, each in answers.items() if name.startswith("worker")]
    return found if len(found) == 2 else None


def _count_ticks(flow: Flow) -> int:
    return flow.role("beat").log_path.read_text().count("campaigns.tick")


@contextmanager
def _emptying_queues(redis_url: str) -> Iterator[None]:
    """Throw away, several times a second, whatever no worker has taken yet."""
    is_over = threading.Event()

    def empty() -> None:
        with redis.Redis.from_url(redis_url) as client:
            while not is_over.wait(0.1):
                client.delete(*QUEUES)

    thread = threading.Thread(target=empty)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


@contextmanager
def _enqueueing(flow: Flow, campaigns: list[Campaign]) -> Iterator[None]:
    """Publish every campaign's task in copies, from as many threads at once, as soon as few are left."""
    is_over = threading.Event()

    def enqueue() -> None:
        with redis.Redis.from_url(flow.stack.environment["REDIS_URL"]) as valkey:
            while not is_over.wait(0.05):
                if valkey.llen("campaigns") < ENOUGH_TASKS:
                    flow.enqueue([campaign.id for campaign in campaigns])

    thread = threading.Thread(target=lambda: run_together(*[enqueue] * COPIES))
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
