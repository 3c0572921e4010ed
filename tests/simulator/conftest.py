"""One simulator process for the run, told anew before each test, and a receiver of its webhooks."""

import threading
from collections.abc import Iterator

import pytest
from far_end import SECRET, FarEnd, Receiver, start_simulator


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    with start_simulator() as (_, url):
        yield url


@pytest.fixture
def far(address: str) -> Iterator[FarEnd]:
    end = FarEnd(address)
    end.control("reset")
    with end.session:
        yield end


@pytest.fixture
def receiver(far: FarEnd) -> Iterator[Receiver]:
    """A receiver that the simulator reports to at once: sent, delivered, read."""
    server = Receiver()
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    at_once = {f"{status}_after_ms": 0 for status in ("sent", "delivered", "read", "failed")}
    quick = {"read_probability": 1, "retry_ms": 20, "concurrency": 1, **at_once}
    far.script(webhooks={"callback_url": server.url, "app_secret": SECRET, **quick})
    yield server
    far.control("reset")
    server.shutdown()
    server.server_close()
