"""A receiver of the simulator's webhooks."""

from collections.abc import Iterator

import pytest
from far_end import SECRET, Receiver, SimulatorClient

from tests.support.serving import serving


@pytest.fixture
def receiver(far: SimulatorClient) -> Iterator[Receiver]:
    """A receiver of webhooks. The simulator posts sent, delivered and read to it without delay."""
    at_once = {f"{status}_after_ms": 0 for status in ("sent", "delivered", "read", "failed")}
    quick = {"read_probability": 1, "retry_ms": 20, "concurrency": 1, **at_once}
    with serving(Receiver()) as server:
        far.script(webhooks={"callback_url": server.url, "app_secret": SECRET, **quick})
        yield server
        far.control("reset")
