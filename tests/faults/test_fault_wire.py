"""The wire between a worker and the API: cut anywhere, refused, frozen, closed on reuse, hanging, out of reach."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from harness import Campaign, Flow, wait_for

from devstack.proxy import Proxy
from tests.faults.edge import BOGUS, Edge, assign_behaviours

SCALED = {
    "tick_seconds": 1,
    "lease_seconds": 6.6,
    "renew_seconds": 1,
    "http_timeout_seconds": 5,
    "connect_timeout_seconds": 4,
}
# Where nothing is to time out.
PATIENT = SCALED | {"lease_seconds": 70, "http_timeout_seconds": 60, "connect_timeout_seconds": 30}
# Bytes of a request and of a reply, and beyond: what lies behind the end cuts the next one on the same connection.
REQUEST_CUTS = range(0, 1000, 25)
REPLY_CUTS = range(0, 480, 12)


def test_connections_cut_at_every_point_of_request_and_reply_send_nothing_twice(flow: Flow, api_proxy: Proxy) -> None:
    """One request at a time, so that each cut meets one; every second one by FIN instead of RST."""
    flow.start("events", "worker", "beat", **PATIENT, window_limit=1)
    account = flow.add_account("Vendas", rate=1000)
    campaign = flow.add_campaign("Black Friday", [account], people=150)
    for direction, cuts in (("request", REQUEST_CUTS), ("reply", REPLY_CUTS)):
        for number, at_byte in enumerate(cuts):
            api_proxy.cut(direction, at_byte, is_reset=number % 2 == 0)
    flow.await_ready()
    flow.start_campaigns(campaign)
    flow.await_status("completed", campaign)

    assert not api_proxy.cuts, "all were met"
    sent, uncertain = _phones(flow, campaign, "sent"), _phones(flow, campaign, "uncertain")
    accepted = {f"+{each['to']}" for each in flow.far.accepted(campaign)}

    assert sent | uncertain == set(campaign.phones)
    assert sent <= accepted
    # Each cut broke one request at most; some fell between two.
    assert 60 <= len(uncertain) <= len(REQUEST_CUTS) + len(REPLY_CUTS)
    assert len(uncertain - accepted) >= 20 and len(uncertain & accepted) >= 20
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()


@pytest.fixture(scope="module")
def wired(module_flow: Flow, simulator_url: str) -> Iterator[tuple[Flow, Proxy]]:
    """An installation with two workers, and the proxy between them and the far end."""
    port = urlsplit(simulator_url).port
    assert port is not None
    with Proxy(port) as proxy:
        module_flow.stack.environment["GRAPH_API_URL"] = f"http://127.0.0.1:{proxy.port}/v24.0"
        module_flow.start("events", "worker", "worker2", "beat", **SCALED, retry_seconds=0.2)
        module_flow.await_ready()
        yield module_flow, proxy


def test_refused_frozen_hanging_and_closed_on_reuse_leave_nobody_with_two(wired: tuple[Flow, Proxy]) -> None:
    flow, api_proxy = wired
    flow.begin_anew()
    account = flow.add_account("Vendas", rate=500)
    refused, frozen, hanging = (
        flow.add_campaign(name, [account], people=150) for name in ("Refused", "Frozen", "Hanging")
    )
    # So slow that most of its requests find a connection that has carried another one.
    reused = flow.add_campaign("Reused", [flow.add_account("Novidades", rate=100)], people=150)

    # Nothing leaves: all are pending, and sent later.
    api_proxy.refuse()
    flow.start_campaigns(refused)
    flow.await_status("running", refused, reason="unreachable")
    # It tries again now and then, and what it tries is back in a moment.
    wait_for(lambda: flow.counts(refused) == {"pending": 150}, "nobody is in doubt")
    api_proxy.accept()
    flow.await_status("completed", refused)
    assert flow.counts(refused) == {"sent": 150}
    flow.assert_everybody_got_one(refused)

    # What is out in a network that holds everything is uncertain; what it lets through later is not sent again.
    flow.far.script(latency_ms=100)
    api_proxy.freeze()
    flow.start_campaigns(frozen)
    wait_for(lambda: _phones(flow, frozen, "uncertain"), "the first timeouts")
    api_proxy.thaw()
    flow.await_status("completed", frozen)
    doubted = _phones(flow, frozen, "uncertain")
    assert flow.counts(frozen) == {"sent": 150 - len(doubted), "uncertain": len(doubted)}
    assert _reasons(flow, frozen) == {"timeout"}

    # An API that hangs, with a timeout just below the lease: the lease is kept meanwhile, and few become uncertain.
    flow.far.script(outcome=["hang*40", "hang-before*40", "ok"])
    flow.start_campaigns(hanging)
    flow.await_status("completed", hanging)
    doubted = _phones(flow, hanging, "uncertain")
    assert len(doubted) == 80
    assert flow.counts(hanging) == {"sent": 70, "uncertain": 80}
    assert _reasons(flow, hanging) == {"timeout"}, "no other runner has taken them over"
    accepted = {f"+{each['to']}" for each in flow.far.accepted(hanging)}
    assert len(accepted) == 110 and len(doubted - accepted) == 40

    # Each connection carries one, then accepts another and dies: a library such as libcurl would send it again.
    flow.far.script(outcome="ok", close_reused_after=1)
    flow.start_campaigns(reused)
    flow.await_status("completed", reused)
    doubted = _phones(flow, reused, "uncertain")
    assert len(doubted) > 10
    assert flow.counts(reused) == {"sent": 150 - len(doubted), "uncertain": len(doubted)}
    flow.assert_everybody_got_one(reused)

    assert flow.events("abandoned") == []
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_nobody_got_two()
    flow.assert_counters_equal_rows()


def test_without_a_name_or_tls_nothing_leaves_and_all_is_sent_once_there_is_a_way(flow: Flow) -> None:
    flow.start("events", "beat", **PATIENT)
    campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=500)], people=100)
    url = flow.stack.environment["GRAPH_API_URL"]
    flow.start_campaigns(campaign)
    ways = (
        ("worker", "https://graph.invalid/v24.0", "the name could not be resolved"),
        ("worker2", url.replace("http://", "https://"), "TLS failed"),
    )
    for name, wrong, reason in ways:
        flow.stack.environment["GRAPH_API_URL"] = wrong
        flow.start(name)
        flow.await_ready(name)
        flow.execute("UPDATE campaigns SET waiting_reason = NULL, due_at = NULL")
        # A campaign may wait only because its account still rests after the tries of the worker before. What this
        # worker tried is told by the messages.
        tried = "SELECT EXISTS (SELECT FROM messages WHERE send_no > 0 AND error_title = %s)"
        wait_for(lambda: flow.query(tried, reason) == [(True,)], f"{name} has tried")  # noqa: B023
        flow.await_status("running", campaign, reason="unreachable")
        # It tries again now and then, and what it tries is back in a moment.
        wait_for(lambda: flow.counts(campaign) == {"pending": 100}, "nobody is in doubt")
        flow.role(name).stop()
        flow.forget_role(name)
    assert flow.far.arrived() == {}

    flow.stack.environment["GRAPH_API_URL"] = url
    flow.start("worker3")
    flow.await_status("completed", campaign)
    assert flow.counts(campaign) == {"sent": 100}
    assert flow.query("SELECT DISTINCT attempts FROM messages") == [(1,)]
    flow.assert_everybody_got_one(campaign)
    assert set(flow.far.arrived().values()) == {1}


# What each way ends in, and whether the far end has accepted: sent at the second try where the first was refused.
SENT, DOUBTED, DOUBTED_ALL_THE_SAME = ("sent", True), ("uncertain", False), ("uncertain", True)
ENDS = {
    "interim": SENT,
    "only continue": DOUBTED,
    "301": SENT,
    "302": SENT,
    "303": DOUBTED,
    "307": SENT,
    "308": SENT,
    "html 200": DOUBTED,
    "html 403": SENT,
    "html 408": DOUBTED,
    "html 502": DOUBTED,
    "html 504 passed on": DOUBTED_ALL_THE_SAME,
    "drip in time": SENT,
    "drip too slow": DOUBTED_ALL_THE_SAME,
    "no length": SENT,
    "no length, cut": DOUBTED_ALL_THE_SAME,
    "broken chunk": DOUBTED_ALL_THE_SAME,
    "answered twice": SENT,
}
REFUSED = {"301", "302", "307", "308", "html 403"}


def test_whatever_http_stands_before_the_api_nothing_is_sent_twice_or_elsewhere(wired: tuple[Flow, Proxy]) -> None:
    flow, api_proxy = wired
    flow.begin_anew()
    far_end = api_proxy.upstream_port
    with Edge(flow.far.url) as edge:
        api_proxy.upstream_port = edge.server_address[1]
        api_proxy.reset()  # the connections of before lead past the edge
        campaign = flow.add_campaign("Black Friday", [flow.add_account("Vendas", rate=1000)], people=120)
        dealt = assign_behaviours(campaign.phones, list(ENDS), times=3)
        edge.script = {phone: [way] for phone, way in dealt.items()}
        flow.start_campaigns(campaign)
        flow.await_status("completed", campaign)
        api_proxy.upstream_port = far_end
        api_proxy.reset()

    accepted = {f"+{each['to']}" for each in flow.far.accepted(campaign)}
    rows = flow.query("SELECT phone, status::text, attempts, wamid FROM messages")
    found = {phone: (status, phone in accepted) for phone, status, _, _ in rows}
    assert {(way, found[phone]) for phone, way in dealt.items()} ^ set(ENDS.items()) == set()
    assert all(found[phone] == SENT for phone in set(campaign.phones) - dealt.keys())
    assert all(tries == (2 if dealt.get(phone) in REFUSED else 1) for phone, _, tries, _ in rows)
    assert edge.redirected == {}
    assert BOGUS not in {wamid for *_, wamid in rows}
    flow.assert_nobody_got_two()
    assert set(flow.far.arrived().values()) == {1}
    flow.assert_counters_equal_rows()


def _phones(flow: Flow, campaign: Campaign, status: str) -> set[str]:
    rows = flow.query("SELECT phone FROM messages WHERE campaign_id = %s AND status = %s", campaign.id, status)
    return {phone for (phone,) in rows}


def _reasons(flow: Flow, campaign: Campaign) -> set[str]:
    find = "SELECT DISTINCT error_title FROM messages WHERE campaign_id = %s AND status = 'uncertain'"
    return {title for (title,) in flow.query(find, campaign.id)}
