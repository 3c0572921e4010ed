"""All roles that run a campaign serve every metric that the board and the alerts read."""

from __future__ import annotations

from collections.abc import Callable

import requests
from harness import Flow, wait_for
from prometheus_client.parser import text_string_to_metric_families

from campaigns.metrics.table import METRICS, OTHER
from devstack.ports import LOOPBACK, free_port, is_free
from devstack.stack import ROLES, await_http
from tests.metrics.board import find_metrics, list_board_expressions
from tests.metrics.reading import scrape

PEOPLE = 30
ADD_PORTFOLIO = """
    WITH made AS (INSERT INTO portfolios (name, daily_limit) VALUES ('Loja', 1000) RETURNING id)
    UPDATE accounts SET portfolio_id = made.id FROM made WHERE accounts.id = {id}
"""
# The labels whose values are known only at run time, and the values that they may have.
NUMBERS = {"account", "portfolio"}


def find_base() -> int:
    """Return a port that is free, as are the ports behind it, one for each role."""
    return wait_for(
        lambda: next((port for port in [free_port()] if all(map(is_free, range(port, port + len(ROLES))))), None),
        "ports are free",
    )


def test_a_running_installation_serves_what_the_board_shows(flow: Flow) -> None:
    base = find_base()
    ports = {role: base + ROLES.index(role) for role in ("webhooks", "console", "events", "worker", "files")}
    flow.stack.environment |= {"REVOADA_METRICS_PORT": str(base), "REVOADA_TICK_SECONDS": "1"}
    flow.stack.start_roles()
    await_http(f"{flow.stack.webhooks_url}/readyz", flow.stack)
    flow.receive_webhooks()
    account = flow.add_account("Vendas", rate=1000)
    flow.execute(ADD_PORTFOLIO.format(id=account.id))
    campaign = flow.add_campaign("Black Friday", [account], people=PEOPLE)
    assert flow.run_command("revoada", "campaign", "start", str(campaign.id)).returncode == 0

    def read() -> dict[str, set[tuple[tuple[str, str], ...]]]:
        found: dict[str, set[tuple[tuple[str, str], ...]]] = {}
        # The series of a route begins with its first request, and no request may add one with an id.
        for path in ("/login", f"/campaigns/{campaign.id}", f"/api/v1/campaigns/{campaign.id}", "/nothing/7"):
            requests.get(f"{flow.stack.console_url}{path}", timeout=60)
        for port in ports.values():
            answer = requests.get(f"http://{LOOPBACK}:{port}/metrics", timeout=60)
            for family in text_string_to_metric_families(answer.text):
                name = f"{family.name}_total" if family.type == "counter" else family.name
                found.setdefault(name, set()).update(tuple(sorted(each.labels.items())) for each in family.samples)
        return found

    shown = set().union(*map(find_metrics, list_board_expressions()))
    wait_for(lambda: all_served(read, shown), "every metric of the board is served")
    found = read()
    assert found.keys() <= METRICS.keys()
    # The number of values of a label has a bound, whatever was sent.
    assert sum(map(len, found.values())) < 700
    for name, series in found.items():
        for labels in series:
            for label, value in labels:
                allowed = METRICS[name].labels.get(label)
                assert allowed is None or value in allowed, (name, label, value)
                assert label not in NUMBERS or value.isdecimal() or value == OTHER
    wait_for(lambda: count_accepted(ports["worker"]) == PEOPLE, "the worker has counted each accepted message")


def all_served(read: Callable[[], dict[str, object]], shown: set[str]) -> bool:
    try:
        missing = shown - read().keys()
    except requests.ConnectionError:
        return False
    print("not served:", *sorted(missing))  # shown if the test fails
    return not missing


def count_accepted(port: int) -> float:
    samples = scrape(port)
    return sum(
        number
        for (name, labels), number in samples.items()
        if name == "revoada_replies_total" and ("outcome", "accepted") in labels
    )
