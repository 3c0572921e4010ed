"""A worker that lives and takes no task ends itself; one that has nothing to do, or no slot, or no broker, does not."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from harness import Flow, wait_for

from devstack.proxy import Proxy


def test_a_worker_that_takes_no_task_settles_what_is_out_and_ends(flow: Flow, gate: Proxy) -> None:
    """One worker after the other breaks in its own way, in the middle of its slice; each takes over from the other."""
    broker = flow.stack.environment["REDIS_URL"]
    breaks = flow.stack.folder / "breaks"
    flow.stack.environment |= {
        "BREAKS": str(breaks),
        "REVOADA_EXIT_ON_STALL_SECONDS": "5",
        "REVOADA_SLICE_SECONDS": "600",
    }
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=25)], people=600)
    flow.start_campaigns(campaign)
    with Proxy(urlsplit(broker).port or 0) as proxy:
        flow.stack.environment["REDIS_URL"] = broker.replace(f":{urlsplit(broker).port}/", f":{proxy.port}/")
        for number, how in enumerate(("hang", "forget", "lose"), start=1):
            name = f"worker{number}"
            alive = flow.stack.folder / f"alive-{name}"
            flow.stack.environment["REVOADA_ALIVE_FILE"] = str(alive)
            role = flow.stack.start_role(name, "-n", f"{name}@%h", "-I", "tests.flows.broken_consumer", role="worker")
            flow.await_ready(name)
            flow.enqueue([campaign.id])
            flow.await_accepted(campaign, len(flow.far.accepted(campaign)) + 60)

            gate.freeze()
            flow.await_on_the_wire(campaign)
            breaks.write_text(how)
            if how == "lose":
                proxy.lose()
            left = wait_for(lambda name=name: of_worker(flow, "worker_exits", name), "it is about to end")
            assert role.is_running()
            assert flow.counts()["sending"] > 0
            gate.thaw()
            wait_for(lambda role=role: not role.is_running(), "it has ended")
            assert role._guard.returncode == 75
            flow.forget_role(name)
            breaks.unlink()

            # Its slice was in the middle of its time, and the requests on the wire have settled.
            flow.assert_no_lease_lives()
            assert flow.counts().keys() == {"pending", "sent"}
            (told,) = of_worker(flow, "worker_stalled", name)
            assert alive.stat().st_mtime < told["at"] < left[0]["at"]
            if how == "hang":
                assert "broken_consumer.py" in left[0]["main_thread"]
            wait_for(lambda number=number: len(flow.alerts.alerts) == number, "the alert is posted")
    assert flow.alerts.kinds() == ["worker_stalled"] * 3
    stalled = "SELECT split_part(name, '@', 1), stalled_seconds > 0 FROM workers ORDER BY 1"
    assert flow.query(stalled) == [("worker1", True), ("worker2", True), ("worker3", True)]

    flow.stack.environment["REDIS_URL"] = broker
    flow.execute("UPDATE accounts SET messages_per_second = 400")
    flow.start("worker", slice_seconds=2, exit_on_stall_seconds=120)
    flow.await_ready("worker")
    flow.enqueue([campaign.id])
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)
    flow.role("worker").stop()
    flow.forget_role("worker")
    # Who ends as it should is forgotten at once.
    assert flow.query("SELECT FROM workers WHERE stalled_seconds IS NULL") == []


def of_worker(flow: Flow, name: str, worker: str) -> list[dict[str, Any]]:
    return [each for each in flow.events(name) if each["role"] == worker]


def test_a_worker_without_work_or_slot_or_broker_does_not_end(flow: Flow) -> None:
    broker = flow.stack.environment["REDIS_URL"]
    campaign = flow.add_campaign("Slow", [flow.add_account("Vendas")], people=200, interval_seconds=5.0)
    with Proxy(urlsplit(broker).port or 0) as proxy:
        flow.stack.environment["REDIS_URL"] = broker.replace(f":{urlsplit(broker).port}/", f":{proxy.port}/")
        flow.start("worker", slots=1, slice_seconds=600, exit_on_stall_seconds=6)
        flow.await_ready()
        flow.start_campaigns(campaign)
        flow.await_accepted(campaign, 1)
        flow.start("worker2")
        flow.await_ready()

        def all_report_for(seconds: float) -> None:
            since = flow.server_time()
            alive = "SELECT count(*) FROM workers WHERE seen_at > to_timestamp(%s)"
            wait_for(lambda: flow.query(alive, since + seconds) == [(2,)], "both go on to report")
            flow.stack.check_alive()

        both_ready_at = flow.server_time()
        all_report_for(7)
        # The one was full all the time, the other had nothing to do but its probes.
        rows = "SELECT running_count, consumed_at > to_timestamp(%s), stalled_seconds FROM workers ORDER BY 1"
        wait_for(
            lambda: flow.query(rows, both_ready_at) == [(0, True, None), (1, False, None)],
            "the one takes its probes, the other is full",
        )

        proxy.refuse()
        all_report_for(7)
        # Once it is back they have 120 s to find it, and need a quarter of that; here they have six.
        assert flow.events("worker_stalled") == []
        proxy.accept()
