"""Breaks the consumer of a worker that loads this module (`celery … -I`), once the file named by BREAKS exists.

The content of the file is the fault. `hang`: the main thread waits for ever, as on a dead connection without a timeout
(celery#10502). `forget`: the event loop runs and answers pings, but never asks the broker for tasks again (celery#8990,
celery#10205). `lose`: the worker does not notice that its connection is dead. kombu 5.7 has a check for this, which is
disabled, because it may be faster than ours.
"""

import os
import threading
from pathlib import Path

from kombu.transport.redis import Channel, MultiChannelPoller

_path = Path(os.environ["BREAKS"])
_request_tasks = Channel._brpop_start
_check_connections = MultiChannelPoller.maybe_check_brpop_health


def _brpop_start(channel: Channel, timeout: int | None = None) -> None:
    fault = _path.read_text() if _path.exists() else ""
    if fault == "hang":
        threading.Event().wait()
    elif fault != "forget":
        _request_tasks(channel, timeout)


def _maybe_check_brpop_health(poller: MultiChannelPoller) -> None:
    if not _path.exists():
        _check_connections(poller)


Channel._brpop_start = _brpop_start
MultiChannelPoller.maybe_check_brpop_health = _maybe_check_brpop_health
