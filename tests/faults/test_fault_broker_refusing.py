"""Valkey is frozen or answers with errors (failover, no memory …): no role ends, sends go on slowly, all recovers."""

from __future__ import annotations

import itertools
import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from fixtures import installed
from harness import Campaign, Flow, wait_for

from devstack.proxy import Proxy
from devstack.valkey import Valkey, start_valkey
from tests.support.refusing import REFUSALS, read_only, wrong_type

FALLBACK_RATE = 5
SCALED = {
    "tick_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 2,
    "lease_seconds": 6,
    "renew_seconds": 1,
    "slice_seconds": 3_600,  # longer than all tests: a slice that ends while the broker refuses has no next one
    "fallback_rate": FALLBACK_RATE,
}
ROLES = ("webhooks", "events", "worker", "beat")
CODES = (
    *("READONLY", "LOADING", "MISCONF", "OOM"),
    *("max number of clients", "NOAUTH", "no permissions", "WRONGTYPE"),
)
# Log lines of Celery about a broker that is lost or cannot be reached.
LOST = ("Connection to broker lost", "Cannot connect to", "Message Error", "onnection error:")
# In 10 s, of one role.
MOST_LINES = 40
_numbers = itertools.count(1)


@dataclass
class Broken:
    """An installation whose broker is broken in one way after the other. `name` is the address that the roles have.

    `valkey` is the primary behind the name, `slow` a campaign that sends all the time; `heirs` ends other servers.
    """

    flow: Flow
    valkey: Valkey
    name: Proxy
    slow: Campaign
    heirs: ExitStack

    def add_campaign(self, *, people: int, rate: int = 80) -> Campaign:
        name = f"Campaign {next(_numbers)}"
        return self.flow.add_campaign(name, [self.flow.add_account(name, rate=rate)], people=people)

    def count_lost(self, role: str) -> int:
        text = self.flow.role(role).log_path.read_text(encoding="utf-8")
        return sum(text.count(each) for each in LOST)

    def hold(self) -> None:
        """Wait until the broker has refused beat, some time has passed, and the slow campaign has sent meanwhile."""
        flow = self.flow
        refused, accepted, began_at = self.count_lost("beat"), len(flow.far.accepted(self.slow)), flow.server_time()
        wait_for(lambda: self.count_lost("beat") > refused, "a tick is refused")
        wait_for(lambda: flow.server_time() > began_at + 4, "a while has passed")
        wait_for(lambda: len(flow.far.accepted(self.slow)) > accepted + 5, "what runs goes on")


@pytest.fixture(scope="module")
def broken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, simulator_url: str, shared_url: str
) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("broken")
    with (
        start_valkey(folder / "valkey") as valkey,
        ExitStack() as heirs,
        Proxy(valkey.port) as name,
        installed(
            request,
            folder,
            database_url=shared_url,
            redis_url=valkey.url.replace(f":{valkey.port}/", f":{name.port}/"),
            simulator_url=simulator_url,
        ) as flow,
    ):
        flow.start(*ROLES, **SCALED)
        flow.far.script(webhooks={"retry_ms": 600_000, "timeout_ms": 120_000})  # no retry may hide a refused webhook
        slow = flow.add_campaign("Slow", [flow.add_account("Slow", rate=10)], people=20_000)
        flow.await_ready()
        flow.start_campaigns(slow)
        flow.await_accepted(slow, 20)
        yield Broken(flow, valkey, name, slow, heirs)
        for role in flow.stack.roles:  # before the broker ends: without a broker the roles stop slowly
            role.begin_stop()
        for role in flow.stack.roles:
            role.stop()


def test_while_valkey_is_frozen_sends_go_on_at_the_low_rate_and_webhooks_are_taken(broken: Broken) -> None:
    flow = broken.flow
    campaign = broken.add_campaign(people=400, rate=20)
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 40)
    unreachable, back = len(flow.events("throttle_unreachable")), len(flow.events("throttle_back"))

    broken.name.freeze()
    wait_for(lambda: len(flow.events("throttle_unreachable")) > unreachable, "the worker goes on without Valkey")
    # Without Valkey the rate of an account makes no difference.
    flow.query("UPDATE accounts SET messages_per_second = 1000 WHERE name = %s RETURNING id", campaign.name)
    began_at, before = flow.server_time(), len(flow.far.accepted(campaign))
    flow.await_accepted(campaign, before + 30)
    took_seconds = flow.server_time() - began_at
    # Some had their token of Valkey: at most as many as leave in half a second at the rate of 20.
    assert took_seconds > (30 - 10) / FALLBACK_RATE, "the low safe rate"
    stored = "SELECT count(*) FROM webhook_events WHERE received_at > to_timestamp(%s)"
    wait_for(lambda: flow.query(stored, began_at)[0][0], "webhooks are accepted and stored")
    broken.name.thaw()

    flow.await_status("completed", campaign)
    flow.await_arrival(campaign)
    assert flow.far.stats()["webhooks"]["retried"] == 0, "every webhook was taken"
    flow.assert_everybody_got_one(campaign)
    assert flow.counts(campaign).keys() <= {"delivered", "read"}
    assert f"at most {FALLBACK_RATE} messages/s" in flow.sentences("throttle_unreachable")[-1]
    assert len(flow.events("throttle_back")) > back


@pytest.mark.parametrize("code", CODES)
def test_roles_wait_for_a_broker_that_refuses_and_go_on_by_themselves(broken: Broken, code: str) -> None:
    flow = broken.flow
    pids = {role.name: role.pid for role in flow.stack.roles}
    lines, began_at = {role: broken.count_lost(role) for role in ("events", "worker")}, flow.server_time()
    with REFUSALS.get(code, wrong_type)(broken.valkey):
        broken.hold()
        done = flow.run_command("revoada", "doctor", "--json")
        assert (done.returncode, done.stderr) == (2, "")
        told = [each["text"] for each in json.loads(done.stdout) if each["severity"] == "error"]
        assert any(code in text for text in told), told
        flow.stack.check_alive()
    for role, count in lines.items():
        most = MOST_LINES * max((flow.server_time() - began_at) / 10, 1)
        assert broken.count_lost(role) - count < most, "it asks again at a measured pace"
    fresh = broken.add_campaign(people=5)
    flow.start_campaigns(fresh)
    flow.await_arrival(fresh)
    flow.assert_everybody_got_one(fresh)

    assert {role.name: role.pid for role in flow.stack.roles} == pids
    assert flow.events("celery.worker", level="CRITICAL") == []
    assert flow.far.stats()["webhooks"]["retried"] == 0
    flow.assert_nobody_got_two()


def test_after_a_failover_all_roles_move_to_the_new_primary_behind_the_same_name(broken: Broken) -> None:
    """The old primary stays up as a replica and keeps its connections: only new ones lead to the new primary."""
    flow, old = broken.flow, broken.valkey
    running = broken.add_campaign(people=300, rate=10)
    flow.start_campaigns(running)
    flow.await_accepted(running, 20)
    back = len(flow.events("throttle_back"))
    new = broken.heirs.enter_context(start_valkey(flow.stack.folder / "heir"))
    broken.heirs.enter_context(read_only(old))
    broken.valkey, broken.name.upstream_port = new, new.port

    wait_for(lambda: len(flow.events("throttle_back")) > back, "also the throttle asks the new one")
    flow.query("UPDATE accounts SET messages_per_second = 100 WHERE name = %s RETURNING id", running.name)
    flow.await_status("completed", running)
    fresh = broken.add_campaign(people=20)
    flow.start_campaigns(fresh)
    flow.await_arrival(running, fresh)
    flow.stack.check_alive()
    flow.assert_everybody_got_one(running, fresh)
    assert flow.counts(running, fresh).keys() <= {"delivered", "read"}


def test_roles_stop_in_order_while_the_broker_refuses(broken: Broken) -> None:
    """The last test of the module: it ends the roles."""
    flow = broken.flow
    with read_only(broken.valkey):
        broken.hold()
        for name in ROLES:
            flow.role(name).send_signal(signal.SIGTERM)
        for name in ROLES:
            wait_for(lambda name=name: not flow.role(name).is_running(), f"{name} ends")
            flow.forget_role(name)
    assert flow.query("SELECT FROM leases WHERE until > clock_timestamp()") == []
    assert flow.counts(broken.slow).get("sending", 0) == 0
