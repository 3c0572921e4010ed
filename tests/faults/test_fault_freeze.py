"""A runner that does not run: frozen for longer than its lease, for a moment, in turn, again and again."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg
import pytest
from harness import Campaign, Flow, wait_for

from campaigns.domain.failures import NEVER_LEFT

LEASE_SECONDS = 8.0
HTTP_TIMEOUT_SECONDS = 4.0
SCALED = {
    "tick_seconds": 1,
    "lease_seconds": LEASE_SECONDS,
    "renew_seconds": 1,
    "http_timeout_seconds": HTTP_TIMEOUT_SECONDS,
    "connect_timeout_seconds": 3,
}
SPARE_DESCRIPTORS = 128  # of the transport: so many more than connections


@pytest.fixture(scope="module")
def pair(module_flow: Flow) -> Flow:
    """An installation with two workers, which are frozen in one way after the other."""
    module_flow.start("events", "worker", "worker2", "beat", **SCALED)
    module_flow.await_ready()
    return module_flow


def test_a_start_says_at_once_that_the_only_worker_does_not_answer(flow: Flow) -> None:
    flow.start("worker", **SCALED)
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas")], people=1)
    flow.await_ready()
    with _frozen(flow, "worker"):
        started = flow.run_command("revoada", "campaign", "start", str(campaign.id), "--yes")
        doctor = flow.run_command("revoada", "doctor")
    assert "No worker answers for the queue `campaigns`: nothing is sent." in started.stderr
    assert "No worker answers for the queue `campaigns`" in doctor.stdout
    flow.await_status("completed", campaign)
    flow.assert_everybody_got_one(campaign)


def test_what_a_frozen_worker_had_claimed_never_leaves_after_its_lease_and_what_had_left_counts(flow: Flow) -> None:
    """It has far more claimed than connections, so at any moment most of it waits for its departure."""
    flow.start("events", "worker", "beat", **SCALED)
    flow.far.script(latency_ms=[300, 400])
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=200)], people=1500)
    flow.await_ready()
    _allow_connections(flow, "worker", 12)
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 60)

    _freeze(flow, "worker")
    on_the_wire = _await_silence(flow, campaign)
    silent_at = flow.server_time()
    taken = set(campaign.phones) - _phones(flow, campaign, "pending")
    waiting = _sending(flow, campaign) - on_the_wire
    answered = _sending(flow, campaign) & on_the_wire
    assert len(waiting) > 5 and len(answered) > 5, (len(waiting), len(answered))
    flow.start("worker2")
    flow.await_ready("worker2")
    wait_for(lambda: len(flow.far.accepted(campaign)) > len(on_the_wire) + 50, "the other worker sends")
    assert _uncertain(flow, campaign) >= waiting | answered
    assert not waiting & {f"+{each['to']}" for each in flow.far.accepted(campaign)}, "nobody else may take them"

    thawed_at = flow.server_time()
    flow.role("worker").send_signal(signal.SIGCONT)
    flow.await_status("completed", campaign)
    wait_for(lambda: not _uncertain(flow, campaign), "replies that waited in the kernel count")
    assert flow.counts(campaign) == {"sent": 1500}
    sent_at = dict(flow.query("SELECT phone, extract(epoch FROM sent_at)::float FROM messages"))
    # A settlement that the freeze met between its BEGIN and its COMMIT has the time of the BEGIN.
    begun = {phone for phone in answered if sent_at[phone] <= thawed_at}
    assert all(sent_at[phone] < silent_at for phone in begun), {phone: sent_at[phone] - silent_at for phone in begun}
    assert len(answered - begun) > 5, (len(answered), len(begun))
    flow.assert_everybody_got_one(campaign)
    assert set(flow.far.arrived().values()) == {1}
    # Of what it had taken, sent again is what was held back, in a claim of its own: the second.
    assert taken & {phone for (phone,) in flow.query("SELECT phone FROM messages WHERE send_no > 1")} == waiting
    flow.assert_counters_equal_rows()


def test_a_freeze_shorter_than_the_lease_and_a_slow_machine_cost_nobody_anything(flow: Flow) -> None:
    """The first freeze is longer than the HTTP timeout: its replies wait in the kernel, and count."""
    flow.start("events", "worker", "worker2", "beat", **SCALED | {"lease_seconds": 16})
    flow.far.script(latency_ms=[200, 300])
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=150)], people=1000)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_accepted(campaign, 100)

    name, epoch = _owner(flow, campaign), _epoch(flow, campaign)
    with _frozen(flow, name):
        frozen_at = flow.server_time()
        wait_for(lambda: flow.server_time() > frozen_at + HTTP_TIMEOUT_SECONDS + 1, "a while has passed")
        assert _epoch(flow, campaign) == epoch, "nobody takes over"
    thawed_count = len(flow.far.accepted(campaign))
    flow.await_accepted(campaign, thawed_count + 20)
    rests = [0.05, 0.3, 0.1, 0.2, 0.4, 0.15, 0.25]
    while flow.status(campaign)[0] == "running":
        for name in ("worker", "worker2"):
            frozen_at = flow.server_time()
            with _frozen(flow, name):
                wait_for(lambda at=frozen_at: flow.server_time() > at + rests[0], "a moment has passed")
            rests.append(rests.pop(0))

    assert flow.counts(campaign) == {"sent": 1000}
    flow.assert_everybody_got_one(campaign)
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_counters_equal_rows()


def test_two_workers_frozen_in_turn_for_longer_than_the_lease_send_nothing_twice(pair: Flow) -> None:
    flow = pair
    flow.far.script(latency_ms=[100, 200])
    campaigns = [
        flow.add_campaign(name, [flow.add_account(name, rate=100)], people=400) for name in ("Vendas", "Novidades")
    ]
    flow.start_campaigns(*campaigns)
    for campaign in campaigns:
        flow.await_accepted(campaign, 50)

    for name in ("worker", "worker2"):
        with _frozen(flow, name):
            frozen_at = flow.server_time()
            wait_for(lambda at=frozen_at: flow.server_time() > at + LEASE_SECONDS + 1, "the leases are over")
            _await_more(flow, *campaigns, count=10)
    flow.await_status("completed", *campaigns)

    wait_for(lambda: flow.counts(*campaigns) == {"sent": 800}, f"all replies count: {flow.counts(*campaigns)}")
    flow.assert_everybody_got_one(*campaigns)
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_counters_equal_rows()


def test_a_claim_that_a_freeze_parts_from_its_commit_or_from_its_requests_is_held_back(pair: Flow) -> None:
    """Both are met for sure: the first claim waits in Postgres until its worker is frozen, then Postgres goes on."""
    flow = pair
    account = flow.add_account("Gate", rate=200)
    flow.execute(f"CREATE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN {GATE}; RETURN NULL; END'")

    # Its commit waits at a gate: thawed, the worker finds all that it claimed `uncertain`, and the campaign completed.
    committed = flow.add_campaign("Black Friday", [account], people=300)
    flow.execute(
        "CREATE CONSTRAINT TRIGGER gate AFTER UPDATE OF status ON messages DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (new.status = 'sending' AND old.status = 'pending') EXECUTE FUNCTION gate()"
    )
    with _holding(flow, f"SELECT pg_advisory_xact_lock({GATE_KEY})") as release:
        flow.start_campaigns(committed)
        name = _await_blocked_owner(flow, committed)
        _freeze(flow, name)
        release()
        claimed = wait_for(lambda: _sending(flow, committed), "the claim is committed")
        wait_for(lambda: _uncertain(flow, committed) == claimed, "the other worker takes over")
        flow.await_status("completed", committed)
        assert not claimed & {f"+{each['to']}" for each in flow.far.accepted(committed)}
        flow.role(name).send_signal(signal.SIGCONT)
    wait_for(lambda: _phones(flow, committed, "failed") == claimed, "they are known not to have left")
    assert flow.query("SELECT DISTINCT error_code FROM messages WHERE status = 'failed'") == [(NEVER_LEFT.code,)]
    again = flow.run_command("revoada", "campaign", "retry", str(committed.id), "--class", "server")
    assert again.returncode == 0, again.stderr + again.stdout
    flow.await_status("completed", committed)
    assert flow.counts(committed) == {"sent": 300}
    # The other worker may have claimed and released some more before they left, so `send_no` alone proves nothing.
    again_sent = flow.query("SELECT phone FROM messages WHERE campaign_id = %s AND send_no > 1", committed.id)
    assert {phone for (phone,) in again_sent} >= claimed
    flow.assert_everybody_got_one(committed)
    assert set(flow.far.arrived().values()) == {1}

    # It is frozen before it asks for the commit: until it thaws nobody else gets in.
    flow.execute("DROP TRIGGER gate ON messages")
    uncommitted = flow.add_campaign("Newsletter", [account], people=200)
    with _holding(flow, "SELECT FROM tallies WHERE campaign_id = %s FOR UPDATE", uncommitted.id) as release:
        flow.start_campaigns(uncommitted)
        name = _await_blocked_owner(flow, uncommitted)
        _freeze(flow, name)
        release()
        is_over = "SELECT until < clock_timestamp() - interval '1 s' FROM leases WHERE campaign_id = %s"
        wait_for(lambda: flow.query(is_over, uncommitted.id) == [(True,)], "the lease is over")
        assert flow.far.accepted(uncommitted) == []
        flow.role(name).send_signal(signal.SIGCONT)
    flow.await_status("completed", uncommitted)
    assert flow.counts(uncommitted) == {"sent": 200}
    flow.assert_everybody_got_one(uncommitted)
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_counters_equal_rows()


GATE_KEY = 4711
GATE = f"PERFORM pg_advisory_xact_lock_shared({GATE_KEY})"


@contextmanager
def _holding(flow: Flow, statement: str, *parameters: object) -> Iterator[Callable[[], None]]:
    """Hold what a statement locks; yields what lets it go."""
    with psycopg.connect(flow.stack.environment["DATABASE_URL"]) as connection:
        connection.execute(statement, parameters)
        yield connection.rollback


def _await_blocked_owner(flow: Flow, campaign: Campaign) -> str:
    """Wait until the claim of a campaign waits for a lock; return which worker's it is."""
    blocked = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    wait_for(lambda: flow.query(blocked), "the claim waits")
    return _owner(flow, campaign)


def _owner(flow: Flow, campaign: Campaign) -> str:
    """Return the name of the worker that holds the campaign's lease."""
    find = "SELECT split_part(owner, ':', 2)::int FROM leases WHERE campaign_id = %s AND owner <> ''"
    ((pid,),) = wait_for(lambda: flow.query(find, campaign.id), "somebody runs it")
    return next(role.name for role in flow.stack.roles if role.pid == pid)


def _epoch(flow: Flow, campaign: Campaign) -> int:
    return int(flow.query("SELECT epoch FROM leases WHERE campaign_id = %s", campaign.id)[0][0])


def _await_more(flow: Flow, *campaigns: Campaign, count: int) -> None:
    for campaign in campaigns:
        before = len(flow.far.accepted(campaign))
        if before + count < len(campaign.phones):
            flow.await_accepted(campaign, before + count)


@contextmanager
def _frozen(flow: Flow, name: str) -> Iterator[None]:
    _freeze(flow, name)
    try:
        yield
    finally:
        flow.role(name).send_signal(signal.SIGCONT)


def _freeze(flow: Flow, name: str) -> None:
    role = flow.role(name)
    role.send_signal(signal.SIGSTOP)
    wait_for(lambda: psutil.Process(role.pid).status() == psutil.STATUS_STOPPED, f"{name} is frozen")


def _allow_connections(flow: Flow, name: str, count: int) -> None:
    """Let a worker that has not sent yet have so few connections that its requests wait for one."""
    limit = count + SPARE_DESCRIPTORS
    psutil.Process(flow.role(name).pid).rlimit(resource.RLIMIT_NOFILE, (limit, limit))


def _await_silence(flow: Flow, campaign: Campaign) -> set[str]:
    """Wait until all that has left a frozen worker is accepted; return who got it.

    The far end reads all its connections in turn, and the question of a test after what came before it.
    """
    counts = [-1]
    while len(set(counts[-5:])) > 1 or len(counts) < 5:
        counts.append(len(flow.far.accepted(campaign)))
    return {f"+{each['to']}" for each in flow.far.accepted(campaign)}


def _phones(flow: Flow, campaign: Campaign, status: str) -> set[str]:
    rows = flow.query("SELECT phone FROM messages WHERE campaign_id = %s AND status = %s", campaign.id, status)
    return {phone for (phone,) in rows}


def _sending(flow: Flow, campaign: Campaign) -> set[str]:
    return _phones(flow, campaign, "sending")


def _uncertain(flow: Flow, campaign: Campaign) -> set[str]:
    return _phones(flow, campaign, "uncertain")
