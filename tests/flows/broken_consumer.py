"""Loaded into a worker by a test (`celery … -I`): once the file that BREAKS names is there, it takes no task any more.

`hang`: its main thread waits for ever, as on a dead connection without a timeout (celery#10502). `forget`: the loop
goes round and answers every ping, and never asks the broker for tasks again (celery#8990, celery#10205).
"""

import os
import threading
from pathlib import Path

from kombu.transport.redis import Channel

_path = Path(os.environ["BREAKS"])
_ask_for_tasks = Channel._brpop_start


def _brpop_start(channel: Channel, timeout: int | None = None) -> None:
    how = _path.read_text() if _path.exists() else ""
    if how == "hang":
        threading.Event().wait()
    elif how != "forget":
        _ask_for_tasks(channel, timeout)


Channel._brpop_start = _brpop_start
