"""The queues, the role of the Procfile that takes the tasks of each, and what is known of both."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

QUEUES = {"campaigns": "worker", "control": "events", "webhooks": "events", "health": "events"}


@dataclass(frozen=True, slots=True)
class BrokerFacts:
    """The processes that answer over the broker, and the number of tasks in each queue. `away`: the error if the broker
    does not serve; `reply`: its error reply then, if it sent one.
    """

    away: str = ""
    reply: str = ""
    queues: Mapping[str, Collection[str]] | None = None
    beats: Collection[str] = ()
    waiting: Mapping[str, int] | None = None
