"""A worker that is asked to stop: what it does by which signal, while the API hangs, and while it starts."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import time

import psutil
from harness import Flow, gaps, run_together, wait_for

HTTP_TIMEOUT_SECONDS = 2.0
SCALED = {
    "tick_seconds": 1,
    "lease_seconds": 6,
    "renew_seconds": 1,
    "http_timeout_seconds": HTTP_TIMEOUT_SECONDS,
    "connect_timeout_seconds": 1,
}
SPARE_DESCRIPTORS = 128


def test_a_worker_that_stops_while_the_api_hangs_holds_back_what_waits_and_settles_the_rest(flow: Flow) -> None:
    """It has more claimed than connections: were the rest sent, it would take a timeout for each set of 12."""
    flow.start("worker", **SCALED | {"tick_seconds": 10})
    flow.far.script(latency_ms=[300, 400])
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=1000)], people=1500)
    flow.await_ready()
    limit = 12 + SPARE_DESCRIPTORS
    psutil.Process(flow.role("worker").pid).rlimit(resource.RLIMIT_NOFILE, (limit, limit))
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 60)
    flow.far.script(outcome="hang")
    hanging_since = flow.server_time()
    wait_for(lambda: flow.server_time() > hanging_since + 0.8, "all that is out hangs")
    assert flow.counts()["sending"] > 12 + 5, "more is claimed than it has connections"

    took_seconds = _stop(flow, "worker", signal.SIGTERM)
    assert took_seconds < HTTP_TIMEOUT_SECONDS + 5
    flow.assert_no_lease_lives()
    counts = flow.counts(campaign)
    assert counts.keys() == {"sent", "uncertain", "pending"}
    assert counts["uncertain"] <= 12, counts


TERM, INT, QUIT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP
SIGNALS = [(TERM,), (TERM, TERM), (TERM,), (INT,), (TERM,), (INT, INT), (TERM,), (QUIT,), (TERM, QUIT), (HUP,)]


def test_twenty_rolling_restarts_by_every_signal_leave_no_uncertain_message(flow: Flow) -> None:
    """Two workers at a time make room for two others, in the middle of a slice that would go on for long."""
    chance = random.Random(7)
    flow.start("worker0", "worker1", **SCALED | {"tick_seconds": 10, "slice_seconds": 10})
    flow.far.script(latency_ms=[300, 500])
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name, rate=12)], people=1500)
        for name in ("Vendas", "Novidades", "Relacionamento")
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 10)

    took_seconds = []
    for number in range(0, 20, 2):
        fresh = [f"worker{number + 2}", f"worker{number + 3}"]
        flow.start(*fresh)
        if number in (4, 8, 12):
            _interrupt_start(flow, f"worker{number + 100}", after_seconds=chance.uniform(0.1, 2.5))
        flow.await_ready(*fresh)
        for campaign in campaigns:
            flow.await_accepted(campaign, len(flow.far.accepted(campaign)) + 5)
        took_seconds += run_together(
            lambda number=number: _stop(flow, f"worker{number}", *SIGNALS[number // 2]),
            lambda number=number: _stop(flow, f"worker{number + 1}", *SIGNALS[number // 2]),
        )
        assert flow.counts().get("uncertain", 0) == 0
    gone_on = [max(gaps(flow.far.times(campaign))) for campaign in campaigns]
    assert flow.status(campaigns[0])[0] == "running"
    flow.execute("UPDATE accounts SET messages_per_second = 2000")
    flow.await_status("completed", *campaigns)

    assert max(took_seconds) < HTTP_TIMEOUT_SECONDS + 5
    assert max(gone_on) < 4, "rung at once, without a tick"
    assert flow.counts() == {"sent": 4500}
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    assert set(flow.query("SELECT DISTINCT send_no FROM messages")) <= {(1,), (2,)}
    for name in ("slice_error", "slice_failed", "drain_failed", "abandoned"):
        assert flow.events(name) == []
    flow.assert_counters_equal_rows()
    flow.assert_no_lease_lives()


def _interrupt_start(flow: Flow, name: str, *, after_seconds: float) -> None:
    """Start a worker and ask it to stop before it works."""
    flow.start(name)
    started_at = time.monotonic()
    wait_for(lambda: time.monotonic() > started_at + after_seconds, "it is in the middle of its start")
    _stop(flow, name, TERM)


def _stop(flow: Flow, name: str, *signals: int) -> float:
    """Send signals to a worker, half a second apart; return how long after the first it had ended."""
    worker = flow.role(name)
    asked_at = time.monotonic()
    for number, each in enumerate(signals):
        wait_for(lambda after=number / 2: time.monotonic() >= asked_at + after, "it is time")
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended before its second signal
            worker.send_signal(each)
    wait_for(lambda: not worker.is_running(), "the worker has ended")
    flow.forget_role(name)
    return time.monotonic() - asked_at
