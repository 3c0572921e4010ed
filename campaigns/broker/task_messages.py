"""Decides what on the broker is a ring of ours: a task's name and ids. Whoever can write there can write anything."""

from __future__ import annotations

import base64
import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

_MOST_BODY_BYTES = 10_000
_MOST_ARGUMENTS = 2
_MOST_ID_CHARACTERS = 100
_MAX_BIGINT = 2**63 - 1
_MOST_DEPTH = 16

# What Celery's header says for a task that does what ours do: run once, now, and nothing after it.
_PLAIN: dict[str, tuple[object, ...]] = {
    "eta": (None,),
    "timelimit": (None, [None, None]),
    "group": (None,),
    "retries": (None, 0),
}


class NotARing(ValueError):  # noqa: N818 - a judgement of what came in, not a fault of the program
    """The message is none of ours; the text says why, and repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Ring:
    """A task to run: `arguments` are ids.

    `lease_epoch`: the epoch of the campaign's lease when the slice was enqueued; None: the message has none. An expiry
    is dropped: only old versions publish one, and a worker would judge it by the clock of its own machine.
    """

    task: str
    id: str
    arguments: list[int | None]
    lease_epoch: int | None


def is_shallow(value: object) -> bool:
    """Return whether lists and objects are nested so little that recursive code can process them."""
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [inner for each in level for inner in _contents(each)]
        if not level:
            return True
    return False


def _contents(value: object) -> Collection[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def find_flaw(envelope: object) -> str:
    """Return why nothing can be made of what came out of a queue, "" if it is what the broker's client writes."""
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
    return "it is not written as a task is"


def read_ring(headers: object, body: object, *, queue: object, queues: Mapping[str, str]) -> Ring:
    """Return what a task message rings. `queues`: our tasks, and by which queue each comes. Raises NotARing."""
    if not isinstance(headers, dict):
        raise NotARing("it has no headers")
    task, task_id = headers.get("task"), headers.get("id")
    if not isinstance(task, str) or task not in queues:
        raise NotARing("it names no task of ours")
    if queues[task] != queue:
        raise NotARing(f"{task} does not come by this queue")
    if not isinstance(task_id, str) or not task_id.isprintable() or not 0 < len(task_id) <= _MOST_ID_CHARACTERS:
        raise NotARing(f"{task} has no id")
    for name, plain in _PLAIN.items():
        if headers.get(name) not in plain:
            raise NotARing(f"{task} has a header that no task of ours has: {name}")
    if (expires := headers.get("expires")) is not None and not _is_time(expires):
        raise NotARing(f"{task} expires at no time")
    epoch = headers.get("lease_epoch")
    if epoch is not None and not _is_epoch(epoch):
        raise NotARing(f"{task} has a lease epoch that is no number")
    return Ring(task, task_id, _read_arguments(task, body), epoch)


def _is_time(text: object) -> bool:
    try:
        at = dt.datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return False
    return at is not None and at.tzinfo is not None and 2000 <= at.year < 2200  # noqa: PLR2004  may be moved by a zone


def _is_epoch(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_BIGINT


def _read_arguments(task: str, body: object) -> list[int | None]:
    """Return the ids in a body: arguments, named arguments (none), and what is to be run afterwards (nothing)."""
    content: Any = None
    if isinstance(body, str | bytes) and len(body) <= _MOST_BODY_BYTES:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            content = None
    match content:
        case [list() as arguments, named, dict() | None as after] if not named:
            if any((after or {}).values()):
                raise NotARing(f"{task} wants other tasks after it")
            if len(arguments) <= _MOST_ARGUMENTS and all(map(_is_id, arguments)):
                return arguments
    raise NotARing(f"{task} has arguments that are no ids")


def _is_id(value: object) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MAX_BIGINT)
