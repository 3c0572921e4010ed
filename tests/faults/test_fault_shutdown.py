"""A worker that is asked to stop: what it does by which signal, while the API hangs, and while it starts."""

from __future__ import annotations

import contextlib
import random
import resource
import signal
import time
from collections.abc import Callable
from itertools import count

import psutil
import pytest
import redis
from harness import Flow, run_together, wait_for

from devstack.proxy import Proxy

# A worker that waited for the end of a timeout, of a slice or of a lease would wait for longer than any test.
SCALED = {
    "tick_seconds": 600,
    "slice_seconds": 600,
    "lease_seconds": 600,
    "renew_seconds": 1,
    "http_timeout_seconds": 500,
    "connect_timeout_seconds": 60,
}
CONNECTIONS, SPARE_DESCRIPTORS = 12, 128


def _terminate(flow: Flow) -> None:
    flow.role("worker").send_signal(signal.SIGTERM)


def _shut_down_remotely(flow: Flow) -> None:
    # The worker does not answer this command, so `celery` reports that no node replied.
    flow.run_command("celery", "-A", "campaigns", "control", "shutdown")


@pytest.mark.parametrize("begin_stop", [_terminate, _shut_down_remotely])
def test_a_worker_that_stops_while_the_api_hangs_holds_back_what_waits_and_settles_the_rest(
    flow: Flow, api_proxy: Proxy, redis_url: str, begin_stop: Callable[[Flow], None]
) -> None:
    """It has more claimed than connections. The API answers nobody until the worker has begun to stop.

    That is so when a slice that only waits has given its lease back. By itself a slice would last for ten minutes.
    """
    flow.start("worker", **SCALED)
    flow.far.script(latency_ms=[300, 400])
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=1000)], people=1500)
    idle = flow.add_campaign("Newsletter", [flow.add_account("Novidades")], people=5, interval_seconds=300)
    flow.await_ready()
    limit = CONNECTIONS + SPARE_DESCRIPTORS
    psutil.Process(flow.role("worker").pid).rlimit(resource.RLIMIT_NOFILE, (limit, limit))
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 60)
    flow.start_campaigns(idle)
    wait_for(lambda: flow.counts(idle).get("sent"), "the other campaign waits for its interval")
    api_proxy.freeze()
    wait_for(lambda: flow.counts(campaign).get("sending", 0) > CONNECTIONS + 5, "more is claimed than it can send")

    worker = flow.role("worker")
    begin_stop(flow)
    lives = "SELECT FROM leases WHERE campaign_id = %s AND until > clock_timestamp()"
    wait_for(lambda: not flow.query(lives, idle.id), "the worker has begun to stop")
    assert worker.is_running() and flow.query(lives, campaign.id), "it waits for what is on the wire"
    api_proxy.reset()
    wait_for(lambda: not worker.is_running(), "the worker has ended")
    flow.forget_role("worker")
    flow.assert_no_lease_lives()
    counts = flow.counts(campaign)
    assert counts.keys() == {"sent", "uncertain", "pending"}
    assert counts["uncertain"] <= CONNECTIONS, counts
    assert set(flow.far.arrived().values()) == {1}
    totals = flow.counts()
    assert totals["sent"] <= len(flow.far.arrived()) <= totals["sent"] + totals["uncertain"]
    with redis.Redis.from_url(redis_url) as broker:
        assert broker.keys("*probe*") == [], "the queue of the worker ends with it"


TERM, INT, QUIT, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP
# What the two workers of each round get.
SIGNALS = [((TERM,), (TERM, TERM)), ((INT,), (INT, INT)), ((QUIT,), (TERM, QUIT)), ((HUP,), (TERM,))]


@pytest.mark.timeout(900)
def test_rolling_restarts_by_every_signal_leave_no_uncertain_message(flow: Flow) -> None:
    """Two workers at a time make room for two others, in the middle of a slice that would go on for long.

    Without beat a campaign goes on only where the worker that stops enqueues it.
    """
    chance = random.Random(7)
    flow.start("worker0", "worker1", **SCALED)
    flow.far.script(latency_ms=[600, 900])
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name, rate=6)], people=600)
        for name in ("Vendas", "Novidades", "Relacionamento")
    ]
    flow.await_ready()
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 10)

    for number, signals in zip(count(0, 2), SIGNALS, strict=False):
        fresh = [f"worker{number + 2}", f"worker{number + 3}"]
        flow.start(*fresh)
        if number > 2:
            _interrupt_start(flow, f"worker{number + 100}", after_seconds=chance.uniform(0.1, 2.5))
        flow.await_ready(*fresh)
        for campaign in campaigns:
            flow.await_accepted(campaign, len(flow.far.accepted(campaign)) + 3)
        run_together(
            lambda number=number, each=signals[0]: _stop(flow, f"worker{number}", *each),
            lambda number=number, each=signals[1]: _stop(flow, f"worker{number + 1}", *each),
        )
        assert flow.counts().get("uncertain", 0) == 0
    assert [flow.status(campaign) for campaign in campaigns] == [("running", None)] * 3
    flow.execute("UPDATE accounts SET messages_per_second = 2000")
    flow.await_status("completed", *campaigns)

    assert flow.counts() == {"sent": 1800}
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


def _stop(flow: Flow, name: str, *signals: int) -> None:
    """Send signals to a worker, half a second apart or more, and wait for its end."""
    worker = flow.role(name)
    asked_at = time.monotonic()
    for number, each in enumerate(signals):
        wait_for(lambda after=number / 2: time.monotonic() >= asked_at + after, "it is time")
        with contextlib.suppress(psutil.NoSuchProcess):  # it may have ended before its second signal
            worker.send_signal(each)
    wait_for(lambda: not worker.is_running(), "the worker has ended")
    flow.forget_role(name)
