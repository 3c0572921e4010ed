"""A receiver of the simulator's webhooks."""

from collections.abc import Iterator

import pytest
from far_end import SECRET, FarEnd, Receiver

from tests.support.serving import serving


@pytest.fixture
def receiver(far: FarEnd) -> Iterator[Receiver]:
    """A receiver that the simulator reports to at once: sent, delivered, read."""
    at_once = {f"{status}_after_ms": 0 for status in ("sent", "delivered", "read", "failed")}
    quick = {"read_probability": 1, "retry_ms": 20, "concurrency": 1, **at_once}
    with serving(Receiver()) as server:
        far.script(webhooks={"callback_url": server.url, "app_secret": SECRET, **quick})
        yield server
        far.control("reset")
