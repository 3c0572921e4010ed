"""Validates task messages: a valid message names a task of this project, and its arguments are ids.

Any client of the broker can write any message to a queue, so every part of a message is checked before Celery uses it.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from campaigns.broker.task_table import TASKS

_MAX_BODY_BYTES = 10_000
_MAX_ID_CHARACTERS = 100
_MAX_BIGINT = 2**63 - 1
_MAX_DEPTH = 16

# The values that these headers have in our tasks. Each of our tasks runs immediately and only once, without a time
# limit, and outside a group.
_PLAIN: dict[str, tuple[object, ...]] = {
    "eta": (None,),
    "timelimit": (None, [None, None]),
    "group": (None,),
    "retries": (None, 0),
}

# The headers by which OpenTelemetry (W3C Trace Context and Baggage) and Sentry continue a trace in the worker, with the
# greatest length of each. The W3C standards ask every program to pass on a `tracestate` or `baggage` of this length.
_TRACE_HEADERS = {"traceparent": 256, "tracestate": 512, "baggage": 8192, "sentry-trace": 256}


class NotATaskMessage(ValueError):  # noqa: N818  the input is wrong, not the program
    """The message is no task of this project. The text is the reason, and quotes no part of the message."""


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """The valid parts of a task message. `arguments`: the ids, at most as many as this version of the task takes.

    `lease_epoch`: the epoch of the campaign's lease when the slice was enqueued; None if the message names no epoch.
    `trace`: the headers that continue a trace. An expiry in the message is dropped. Only old versions publish an
    expiry, and a worker would compare the expiry with the clock of its own machine.
    """

    task: str
    id: str
    arguments: list[int | None]
    lease_epoch: int | None
    trace: dict[str, str]


def is_shallow(value: object) -> bool:
    """Return whether lists and objects are nested less than 16 levels deep, so that recursive code can process them."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        level = [inner for each in level for inner in _contents(each)]
        if not level:
            return True
    return False


def _contents(value: object) -> Collection[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def find_flaw(envelope: object) -> str:
    """Return the reason to refuse a message; "" if it has kombu's format. The task in the body is not checked."""
    match envelope:
        case {
            "properties": {
                "delivery_tag": str(),
                "delivery_info": {"exchange": str(), "routing_key": str()},
                "body_encoding": "base64",
            },
            "content-type": "application/json",
            "content-encoding": "utf-8",
            "headers": dict() | None as headers,
            "body": str() as body,
        }:
            try:
                base64.b64decode(body)
            except ValueError:
                return "its body is not encoded"
            return "it is compressed" if headers and headers.get("compression") else ""
    return "it does not have the form of a task message"


def read_task_message(headers: object, body: object, *, queue: object, queues: Mapping[str, str]) -> TaskMessage:
    """Return the task of a message. `queues`: the queue of each known task, by task name. Raises NotATaskMessage."""
    if not isinstance(headers, dict):
        raise NotATaskMessage("it has no headers")
    task, task_id = headers.get("task"), headers.get("id")
    if not isinstance(task, str) or task not in queues:
        raise NotATaskMessage("it names no task of ours")
    if queues[task] != queue:
        raise NotATaskMessage(f"{task} does not belong to this queue")
    if not isinstance(task_id, str) or not task_id.isprintable() or not 0 < len(task_id) <= _MAX_ID_CHARACTERS:
        raise NotATaskMessage(f"{task} has no id")
    for name, plain in _PLAIN.items():
        if headers.get(name) not in plain:
            raise NotATaskMessage(f"{task} has a header that no task of ours has: {name}")
    if (expires := headers.get("expires")) is not None and not _is_time(expires):
        raise NotATaskMessage(f"{task} has an expiry that is no time")
    epoch = headers.get("lease_epoch")
    if epoch is not None and not _is_epoch(epoch):
        raise NotATaskMessage(f"{task} has a lease epoch that is no number")
    return TaskMessage(task, task_id, _read_arguments(task, body), epoch, _read_trace(headers))


def _read_trace(headers: Mapping[str, object]) -> dict[str, str]:
    """Return the valid headers of a trace. Drop invalid trace headers, so that the task runs without them.

    Sentry publishes its headers twice: in the message's headers, and in a header named `headers`.
    """
    nested = headers.get("headers")
    both = {**nested, **headers} if isinstance(nested, dict) else headers
    return {
        name: value
        for name, limit in _TRACE_HEADERS.items()
        if isinstance(value := both.get(name), str) and value.isprintable() and 0 < len(value) <= limit
    }


def _is_time(text: object) -> bool:
    try:
        at = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return at is not None and at.tzinfo is not None and 2000 <= at.year < 2200  # noqa: PLR2004  leaves room to convert it to any time zone


def _is_epoch(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_BIGINT


def _read_arguments(task: str, body: object) -> list[int | None]:
    """Return the ids in a body. The body is a list of three parts: the arguments, the named arguments and the follow-up
    tasks. The last two must be empty.

    A newer version may publish more ids than this version's task takes. The additional ids are dropped, so that the
    task runs in this version.
    """
    content: Any = None
    if isinstance(body, str | bytes) and len(body) <= _MAX_BODY_BYTES:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
    match content:
        case [list() as arguments, named, dict() | None as follow_ups] if not named:
            if any((follow_ups or {}).values()):
                raise NotATaskMessage(f"{task} has follow-up tasks")
            row = TASKS[task]
            required = arguments[: row.required_ids]
            if len(required) == row.required_ids and None not in required and all(map(_is_id, arguments)):
                return arguments[: row.max_ids]
    raise NotATaskMessage(f"{task} has arguments that are no ids")


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_BIGINT)
