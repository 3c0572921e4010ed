"""Valkey answers with errors (failover, no memory, no disk …): no role ends, sends go on slowly, all recovers."""

from __future__ import annotations

import json
import signal
from collections.abc import Sequence

import pytest
from harness import Campaign, Flow, wait_for

from devstack.proxy import Proxy
from devstack.valkey import Valkey, start_valkey
from tests.support.refusing import REFUSALS, read_only, wrong_type

SCALED = {
    "tick_seconds": 1,
    "http_timeout_seconds": 3,
    "connect_timeout_seconds": 2,
    "lease_seconds": 6,
    "renew_seconds": 1,
    "slice_seconds": 90,
    "fallback_rate": 5,
}
ROLES = ("webhooks", "events", "worker", "beat")
# Log lines of Celery about a broker that is lost or cannot be reached.
LOST = ("Connection to broker lost", "Cannot connect to", "Message Error", "onnection error:")
# In 10 s, of one role.
MOST_LINES = 40


def own_valkey(flow: Flow) -> Valkey:
    """Start a Valkey that the test may break, and let the roles and the test use it."""
    valkey = flow.stack.start_valkey()
    flow.use_broker(valkey.url)
    return valkey


def start_all(flow: Flow, *, people: int) -> Campaign:
    """Start the roles, and a campaign that sends slowly; return when it does."""
    flow.start(*ROLES, **SCALED)
    flow.far.script(webhooks={"retry_ms": 600_000, "timeout_ms": 120_000})  # no retry may hide a refused webhook
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=10)], people=people)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 20)
    return campaign


def count_lost(flow: Flow, role: str) -> int:
    text = flow.role(role).log_path.read_text(encoding="utf-8")
    return sum(text.count(each) for each in LOST)


def hold(flow: Flow, campaign: Campaign) -> None:
    """Wait until the broker has refused beat, some time has passed, and the campaign has sent meanwhile."""
    refused, accepted, began_at = count_lost(flow, "beat"), len(flow.far.accepted(campaign)), flow.server_time()
    wait_for(lambda: count_lost(flow, "beat") > refused, "a tick is refused")
    wait_for(lambda: flow.server_time() > began_at + 4, "a while has passed")
    wait_for(lambda: len(flow.far.accepted(campaign)) > accepted + 5, "what runs goes on")


@pytest.mark.parametrize(
    "codes",
    [("READONLY", "LOADING"), ("MISCONF", "OOM"), ("max number of clients", "NOAUTH"), ("no permissions", "WRONGTYPE")],
    ids=" then ".join,
)
@pytest.mark.timeout(600)
def test_roles_wait_for_a_broker_that_refuses_and_go_on_by_themselves(flow: Flow, codes: Sequence[str]) -> None:
    valkey = own_valkey(flow)
    running = start_all(flow, people=3000)
    pids = {role.name: role.pid for role in flow.stack.roles}
    for code in codes:
        lines, began_at = {role: count_lost(flow, role) for role in ("events", "worker")}, flow.server_time()
        with REFUSALS.get(code, wrong_type)(valkey):
            hold(flow, running)
            done = flow.run_command("revoada", "doctor", "--json")
            assert (done.returncode, done.stderr) == (2, "")
            told = [each["text"] for each in json.loads(done.stdout) if each["severity"] == "error"]
            assert any(code in text for text in told), told
            flow.stack.check_alive()
        for role, count in lines.items():
            most = MOST_LINES * max((flow.server_time() - began_at) / 10, 1)
            assert count_lost(flow, role) - count < most, "it asks again at a measured pace"
        fresh = flow.add_campaign(code, [flow.add_account(code)], people=5)
        flow.start_campaigns(fresh)
        flow.await_arrival(fresh)
        flow.assert_everybody_got_one(fresh)

    assert {role.name: role.pid for role in flow.stack.roles} == pids
    assert flow.events("celery.worker", level="CRITICAL") == []
    assert flow.far.stats()["webhooks"]["retried"] == 0
    flow.assert_nobody_got_two()


def test_after_a_failover_all_roles_move_to_the_new_primary_behind_the_same_name(flow: Flow) -> None:
    """The old primary stays up as a replica and keeps its connections: only new ones lead to the new primary."""
    old = own_valkey(flow)
    with start_valkey(flow.stack.folder / "heir") as new, Proxy(old.port) as name:
        flow.use_broker(old.url.replace(f":{old.port}/", f":{name.port}/"))
        running = start_all(flow, people=400)
        name.upstream_port = new.port
        with read_only(old):
            wait_for(lambda: flow.events("throttle_back"), "also the throttle asks the new one")
            flow.execute("UPDATE accounts SET messages_per_second = 100")
            flow.await_status("completed", running)
            fresh = flow.add_campaign("Natal", [flow.add_account("Natal")], people=20)
            flow.start_campaigns(fresh)
            flow.await_arrival(running, fresh)
            flow.stack.check_alive()
        for role in flow.stack.roles:  # before the broker ends: without a broker the roles stop slowly
            role.begin_stop()
        for role in flow.stack.roles:
            role.stop()
    flow.assert_everybody_got_one(running, fresh)
    assert flow.counts().keys() == {"delivered", "read"}


def test_roles_stop_in_order_while_the_broker_refuses(flow: Flow) -> None:
    valkey = own_valkey(flow)
    running = start_all(flow, people=2000)
    with read_only(valkey):
        hold(flow, running)
        for name in ROLES:
            flow.role(name).send_signal(signal.SIGTERM)
        wait_for(lambda: not any(role.is_running() for role in flow.stack.roles), "all end")
        for name in ROLES:
            flow.forget_role(name)
    assert flow.query("SELECT FROM leases WHERE until > clock_timestamp()") == []
    assert flow.counts(running).get("sending", 0) == 0
