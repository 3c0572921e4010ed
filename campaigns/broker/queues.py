"""The queues, each with the role in the Procfile that consumes the queue."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

QUEUES = {"campaigns": "worker", "control": "events", "webhooks": "events", "health": "events", "files": "files"}
# The queue of work with files. Nothing is missing without its role while no such work is due.
FILES = "files"


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """The state of the broker, for the doctor. `away`: why the broker does not serve; "" if it serves.

    `reply`: the broker's error reply; "" if it sent none. `tls_error`: why TLS failed; "" if TLS did not fail.
    `queues`: the workers that answer, by queue; None: no process was asked. `beats`: the beats that answer. `waiting`:
    the number of waiting tasks, by queue.
    """

    away: str = ""
    reply: str = ""
    tls_error: str = ""
    queues: Mapping[str, Collection[str]] | None = None
    beats: Collection[str] = ()
    waiting: Mapping[str, int] | None = None
