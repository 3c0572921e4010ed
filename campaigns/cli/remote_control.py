"""The answers of a worker to `celery control`.

A worker can stop taking tasks from one of its own queues, and take them again. It refuses commands that cannot work
here. A refusal gives the reason and, where one exists, the setting or command that does what the person wants. Celery's
other commands (ping, inspect, shutdown, events) work as they are. Workers load this module. The answers are in the
language that REVOADA_LANGUAGE or the system gives the worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from celery.worker.control import Panel

from campaigns.broker.remote_control import REFUSED_COMMANDS
from campaigns.domain.statement import Sentence, deferred, quote
from campaigns.language import find_language, load
from campaigns.worker.runtime import runtime

_SLOTS = deferred(
    "The number of slots of a running worker does not change. Set REVOADA_SLOTS (worker) or `-c` (events) and restart"
    " it, or start one more."
)
_NO_REVOKING = deferred(
    "A task is only a wake-up, and the next tick enqueues it again. To stop a campaign: `revoada campaign pause ID`."
)
_NO_TERMINATION = deferred(
    "A thread cannot be terminated. A task is only a wake-up, and the next tick enqueues it again. To stop a campaign:"
    " `revoada campaign pause ID`."
)
_DEBUGGING = deferred("This command is for debugging Celery, and a worker of Revoada does not carry it out.")
_REASONS = {
    "pool_grow": _SLOTS,
    "pool_shrink": _SLOTS,
    "autoscale": _SLOTS,
    "pool_restart": deferred("Threads cannot be restarted. Restart the worker: SIGTERM lets it end its work first."),
    "revoke": _NO_REVOKING,
    "revoke_by_stamped_headers": _NO_REVOKING,
    "terminate": _NO_TERMINATION,
    "terminate_by_stamped_headers": _NO_TERMINATION,
    "rate_limit": deferred(
        "A limit would hold tasks in the slots of one worker, where no other worker can take them. Set"
        " `revoada account set NAME --messages-per-second N` or `revoada campaign set ID --interval S`."
    ),
    "time_limit": deferred(
        "Threads have no time limit. A slice ends after REVOADA_SLICE_SECONDS, and a request after"
        " REVOADA_HTTP_TIMEOUT_SECONDS."
    ),
    "memdump": _DEBUGGING,
    "objgraph": _DEBUGGING,
}


def _answer(text: str, **values: str) -> str:
    """Return a text in the language of the worker. The process itself has no language: its log has one of its own."""
    return Sentence(text, **values).fill(quote, load(find_language(os.environ)))


def _refuse(reason: str) -> Callable[..., dict[str, str]]:
    def answer(_state: Any, /, **_: Any) -> dict[str, str]:
        return {"error": _answer(reason)}

    return answer


def add_consumer(state: Any, /, queue: str = "", **options: Any) -> dict[str, str]:
    """Take tasks again from a queue for which this worker was started."""
    if refusal := _find_refusal(queue, options):
        return {"error": refusal}
    state.consumer.call_soon(state.consumer.add_task_queue, queue)
    return {"ok": _answer("takes tasks of {queue}", queue=queue)}


def cancel_consumer(state: Any, /, queue: str = "", **options: Any) -> dict[str, str]:
    """Take no more tasks from a queue. Slices that run already continue to their end."""
    if refusal := _find_refusal(queue, options):
        return {"error": refusal}
    state.consumer.call_soon(state.consumer.cancel_task_queue, queue)
    return {"ok": _answer("takes no more tasks of {queue}, until `add_consumer {queue}` or a restart", queue=queue)}


def _find_refusal(queue: str, options: dict[str, Any]) -> str:
    watchdog = runtime().watchdog
    own = watchdog.queues if watchdog is not None else ()
    if queue not in own:
        return _answer("This worker was not started for that queue, but for: {queues}.", queues=", ".join(own))
    # Celery's own client names the type of the exchange in each command, so options with the fixed values are allowed.
    fixed = {"exchange": queue, "exchange_type": "direct", "routing_key": queue}
    if any(value is not None and value != fixed.get(name) for name, value in options.items()):
        return _answer("Give the name of a queue only: its exchange and routing key are fixed.")
    return ""


Panel.data.update({"add_consumer": add_consumer, "cancel_consumer": cancel_consumer})
Panel.data.update({name: _refuse(_REASONS[name]) for name in REFUSED_COMMANDS})
