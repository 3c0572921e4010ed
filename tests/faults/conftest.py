"""What stands between the roles and the servers that they use, beside the fixtures of the flows."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from fixtures import flow, pytest_runtest_makereport, redis_url, simulator_url
from harness import Flow

from devstack.proxy import Proxy

__all__ = ["flow", "pytest_runtest_makereport", "redis_url", "simulator_url"]


@pytest.fixture
def api_proxy(flow: Flow) -> Iterator[Proxy]:
    """A proxy between the workers and the far end."""
    parts = urlsplit(flow.stack.environment["GRAPH_API_URL"])
    assert parts.port is not None
    with Proxy(parts.port) as proxy:
        flow.stack.environment["GRAPH_API_URL"] = f"http://127.0.0.1:{proxy.port}{parts.path}"
        yield proxy
