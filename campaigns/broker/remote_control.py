"""Validates messages of Celery's remote control: commands to workers, their replies, and events.

Celery trusts these messages as its own. But any client of the broker can write anything there, and one message that
makes Celery fail ends a worker, or stops its consuming for good.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import NoneType
from typing import Any

COMMANDS_EXCHANGE = "celery.pidbox"
EVENTS_EXCHANGE = "celeryev"
REPLIES_EXCHANGE = f"reply.{COMMANDS_EXCHANGE}"

_MOST_CHARACTERS = 1_000
_MOST_ITEMS = 1_000
# JSON parsers, clocks and arithmetic keep integers of this size exact.
_MAX_NUMBER = 2**53

_Check = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MOST_CHARACTERS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _MAX_NUMBER


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_texts(value: object) -> bool:
    """Accept one text or several, as Celery does for ids and names."""
    return _is_text(value) or (isinstance(value, list) and len(value) <= _MOST_ITEMS and all(map(_is_text, value)))


def _is_rate(value: object) -> bool:
    return _is_text(value) or _is_number(value)


def _is_direct(value: object) -> bool:
    return value == "direct"


# What operators, Flower and `revoada doctor` send: commands without arguments, and others with the arguments they take.
_BARE_COMMANDS = (
    *("active_queues", "clock", "disable_events", "dump_reserved", "dump_revoked", "dump_schedule", "enable_events"),
    *("heartbeat", "memsample", "ping", "report", "reserved", "revoked", "scheduled", "stats"),
)
_COMMANDS: Mapping[str, Mapping[str, _Check]] = {
    **{name: {} for name in _BARE_COMMANDS},
    "active": {"safe": _is_flag},
    "dump_active": {"safe": _is_flag},
    "conf": {"with_defaults": _is_flag},
    "dump_conf": {"with_defaults": _is_flag},
    "registered": {"taskinfoitems": _is_texts, "builtins": _is_flag},
    "dump_tasks": {"taskinfoitems": _is_texts, "builtins": _is_flag},
    "query_task": {"ids": _is_texts},
    "shutdown": {"msg": _is_text},
    "revoke": {"task_id": _is_texts, "terminate": _is_flag, "signal": _is_text},
    "terminate": {"task_id": _is_texts, "signal": _is_text},
    "rate_limit": {"task_name": _is_text, "rate_limit": _is_rate},
    "time_limit": {"task_name": _is_text, "soft": _is_number, "hard": _is_number},
    "pool_grow": {"n": _is_number},
    "pool_shrink": {"n": _is_number},
    "autoscale": {"max": _is_number, "min": _is_number},
    # Only an existing queue: Celery would create any other one from the arguments of the command.
    "add_consumer": {"queue": _is_text, "exchange_type": _is_direct},
    "cancel_consumer": {"queue": _is_text},
}
_PARTS = {"method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to"}


def find_header_flaw(headers: Mapping[str, Any] | None) -> str:
    """Return the flaw in the headers of a command, a reply or an event; "" if there is none."""
    headers = headers or {}
    for name in ("clock", "expires"):
        if not isinstance(headers.get(name), NoneType) and not _is_number(headers[name]):
            return f"its header is no number: {name}"
    clock = headers.get("clock")
    if isinstance(clock, float) or (clock is not None and clock < 0):
        return "its header is no count: clock"
    return "" if headers.get("ticket") is None or _is_text(headers["ticket"]) else "its header is no text: ticket"


def find_command_flaw(command: object, queues: Collection[str]) -> str:
    """Return the reason to refuse a command, "" if there is none. `queues`: the queues of the tasks."""
    if not isinstance(command, dict) or not command.keys() <= _PARTS:
        return "it is not written as a command is"
    method, arguments = command.get("method"), command.get("arguments") or {}
    if not isinstance(method, str) or method not in _COMMANDS:
        return "it names no command that is obeyed here"
    checks = _COMMANDS[method]
    if not isinstance(arguments, dict):
        return f"{method} has arguments without names"
    for name, value in arguments.items():
        if value is not None and not (name in checks and checks[name](value)):
            return f"{method} has an argument that it does not take"
    if "queue" in checks and arguments.get("queue") not in queues:
        return f"{method} names no queue of ours"
    return _find_address_flaw(command)


def _find_address_flaw(command: Mapping[str, Any]) -> str:
    """Check the destination of a command, and the address for the reply."""
    destination, reply_to = command.get("destination"), command.get("reply_to")
    if destination is not None and not (isinstance(destination, list) and _is_texts(destination)):
        return "its destination is no list of names"
    # The matcher `pcre` takes a regular expression, which may keep a worker busy for ever.
    if command.get("pattern") is not None and not (_is_text(command["pattern"]) and command.get("matcher") == "glob"):
        return "its pattern is no glob"
    if command.get("ticket") is not None and not _is_text(command["ticket"]):
        return "its ticket is no text"
    match reply_to:
        case None:
            return ""
        case {"exchange": str() as exchange, "routing_key": str() as key, **more}:
            return "" if exchange == REPLIES_EXCHANGE and _is_text(key) and not more else "its reply goes elsewhere"
    return "its reply goes nowhere"


def find_reply_flaw(reply: object) -> str:
    """Return the reason to refuse a reply, "" if there is none. A reply maps the worker's name to its answer."""
    is_reply = isinstance(reply, dict) and bool(reply) and all(map(_is_text, reply))
    return "" if is_reply else "it is not written as a reply is"


def find_event_flaw(events: object) -> str:
    """Return the reason to refuse an event or a list of events, "" if there is none."""
    if not isinstance(events, list):
        events = [events]
    return "" if all(map(_is_event, events)) else "it is not written as an event is"


def _is_event(event: object) -> bool:
    match event:
        case {"type": str() as kind, "hostname": str(), "timestamp": timestamp, **more}:
            numbers = (timestamp, *(more.get(name, 0) for name in ("clock", "utcoffset", "pid")))
            return all(map(_is_number, numbers)) and (not kind.startswith("task-") or _is_text(more.get("uuid")))
    return False
