"""The process that delivers to hooks is killed, and the receiver is down: no event is missing or has a second id."""

from __future__ import annotations

import ipaddress
import os
from collections import defaultdict

import pytest
from harness import Flow, wait_for

from campaigns.domain.hooks.events import EventType
from campaigns.management.hooks.hooks import add_hook
from tests.simulator.far_end import Receiver
from tests.support.actors import TESTER
from tests.support.serving import serving

LOOPBACK = "127.0.0.0/8"
# `make nightly` sets more.
EVENTS = int(os.environ.get("HOOK_EVENTS", "3000"))


def add(flow: Flow, receiver: Receiver, *types: EventType) -> None:
    add_hook(
        flow._database,
        receiver.url,
        types=types,
        networks=[ipaddress.ip_network(LOOPBACK)],
        actor=TESTER,
        secret_key=flow.stack.environment["REVOADA_SECRET_KEY"],
    )


def write_events(flow: Flow, count: int) -> None:
    flow.query(
        "WITH new AS (INSERT INTO hook_events (type, data) SELECT 'export.ready', jsonb_build_object('job_id', n::text)"
        f" FROM generate_series(1, {count}) n RETURNING id) SELECT count(*) FROM new"
    )


def pass_an_hour(flow: Flow) -> None:
    """Let the waits of an hour end now: the next tries, and the time for which a process has taken the hook."""
    flow.execute(
        "UPDATE hook_deliveries SET due_at = due_at - interval '1 hour'"
        " WHERE hook_id IN (SELECT id FROM hooks) AND due_at > now()"
    )
    flow.execute("UPDATE hooks SET busy_until = busy_until - interval '1 hour' WHERE busy_until > now()")


def read_names(receiver: Receiver) -> dict[bytes, set[str]]:
    """Return the ids under which each body came."""
    names = defaultdict(set)
    for headers, body, _ in list(receiver.posts):
        names[body].add({name.lower(): value for name, value in headers.items()}["webhook-id"])
    return names


@pytest.mark.timeout(0 if EVENTS > 10_000 else 300)
def test_no_event_is_missing_and_repeats_carry_one_id(flow: Flow) -> None:
    with serving(Receiver()) as receiver:
        add(flow, receiver, EventType.EXPORT_READY)
        receiver.answers = [503] * 200  # the receiver is down
        write_events(flow, EVENTS)
        for name in ("events1", "events2", "events3"):
            flow.start(name, "beat", egress_networks=LOOPBACK)
            seen = len(receiver.posts)
            wait_for(lambda seen=seen: len(receiver.posts) >= seen + 20, f"{name} delivers")
            for role in (name, "beat"):
                flow.role(role).kill()
                flow.forget_role(role)
            pass_an_hour(flow)
        receiver.answers.clear()  # it is up again
        flow.start("events4", "beat", egress_networks=LOOPBACK)
        left = "SELECT FROM hook_deliveries WHERE hook_id IN (SELECT id FROM hooks) AND due_at IS NOT NULL LIMIT 1"
        delivered = "SELECT count(*) FROM hook_deliveries WHERE delivered_at IS NOT NULL"

        def has_all() -> bool:
            pass_an_hour(flow)
            return not flow.query(left) and flow.query(delivered) == [(EVENTS,)]

        wait_for(has_all, "each event is delivered", seconds=max(240, EVENTS / 20))
        names = read_names(receiver)
    assert len(names) == EVENTS
    assert {len(each) for each in names.values()} == {1}
    assert len(receiver.posts) > EVENTS, "no event was repeated, so the test has shown nothing"


def test_a_campaign_tells_of_its_start_and_of_its_end(flow: Flow) -> None:
    with serving(Receiver()) as receiver:
        add(flow, receiver)
        campaign = flow.add_campaign("Promoção", [flow.add_account("Vendas")], people=5)
        flow.start("worker", "events", "beat", egress_networks=LOOPBACK)
        flow.await_ready("worker")
        flow.start_campaigns(campaign)
        wait_for(lambda: len(receiver.posts) >= 2, "both events arrive")
        bodies = b"".join(sorted(read_names(receiver)))
    assert bodies.count(b'"type":"campaign.started"') == bodies.count(b'"type":"campaign.completed"') == 1
    assert b'"counts":{"sent":5}' in bodies
