"""The only fixture that flows do not share with faults: a far end that answers when the test says so."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fixtures import flow, pytest_runtest_makereport, redis_url, simulator_url
from harness import PATIENCE_SECONDS, Flow

from devstack.proxy import Proxy

__all__ = ["flow", "pytest_runtest_makereport", "redis_url", "simulator_url"]


@pytest.fixture
def gate(flow: Flow) -> Iterator[Proxy]:
    """All requests of the roles to the far end pass this proxy. While it is frozen, nobody gets an answer.

    A frozen gate holds up what waits for an answer for as long as the test says: no timeout and no lease ends first.
    """
    graph = urlsplit(flow.stack.environment["GRAPH_API_URL"])
    assert graph.port
    with Proxy(graph.port) as proxy:
        flow.stack.environment |= {
            "GRAPH_API_URL": f"http://127.0.0.1:{proxy.port}{graph.path}",
            "REVOADA_HTTP_TIMEOUT_SECONDS": f"{PATIENCE_SECONDS}",
            "REVOADA_HEALTH_TIMEOUT_SECONDS": f"{PATIENCE_SECONDS}",
            "REVOADA_LEASE_SECONDS": f"{3 * PATIENCE_SECONDS}",
        }
        yield proxy
