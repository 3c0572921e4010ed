"""Loaded into a worker by a test (`celery … -I`): once the file that BREAKS names is there, it takes no task any more.

`hang`: its main thread waits for ever, as on a dead connection without a timeout (celery#10502). `forget`: the loop
goes round and answers every ping, and never asks the broker for tasks again (celery#8990, celery#10205). `lose`: it
does not notice that its connection is dead, as before kombu 5.7, whose own look may be faster or slower than ours.
"""

import os
import threading
from pathlib import Path

from kombu.transport.redis import Channel, MultiChannelPoller

_path = Path(os.environ["BREAKS"])
_ask_for_tasks = Channel._brpop_start
_look_for_dead_connections = MultiChannelPoller.maybe_check_brpop_health


def _brpop_start(channel: Channel, timeout: int | None = None) -> None:
    how = _path.read_text() if _path.exists() else ""
    if how == "hang":
        threading.Event().wait()
    elif how != "forget":
        _ask_for_tasks(channel, timeout)


def _maybe_check_brpop_health(poller: MultiChannelPoller) -> None:
    if not _path.exists():
        _look_for_dead_connections(poller)


Channel._brpop_start = _brpop_start
MultiChannelPoller.maybe_check_brpop_health = _maybe_check_brpop_health
