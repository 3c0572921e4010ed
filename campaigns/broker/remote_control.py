"""Validates messages of Celery's remote control: commands to workers, their replies, and events.

Celery trusts these messages, but any client of the broker can write them. A single message that causes an error in
Celery ends a worker, or leaves the worker running without consuming tasks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import NoneType
from typing import Any

COMMANDS_EXCHANGE = "celery.pidbox"
EVENTS_EXCHANGE = "celeryev"
REPLIES_EXCHANGE = f"reply.{COMMANDS_EXCHANGE}"

_MAX_CHARACTERS = 1_000
_MAX_ITEMS = 1_000
# JSON parsers and floats represent every integer up to this size exactly.
_MAX_NUMBER = 2**53

_Check = Callable[[object], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _MAX_CHARACTERS


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= _MAX_NUMBER


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_texts(value: object) -> bool:
    """Accept one text or a list of texts, because Celery accepts both for ids and names."""
    return _is_text(value) or (isinstance(value, list) and len(value) <= _MAX_ITEMS and all(map(_is_text, value)))


# The commands that workers carry out: commands without arguments, then commands with a check for each argument.
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
    # The worker itself refuses queues for which it was not started, and other exchanges or routing keys.
    "add_consumer": dict.fromkeys(("queue", "exchange", "exchange_type", "routing_key"), _is_text),
    "cancel_consumer": {"queue": _is_text},
}
# A worker answers these commands with the reason why it does not carry them out, whatever their arguments are.
REFUSED_COMMANDS = {
    *("pool_grow", "pool_shrink", "pool_restart", "autoscale", "rate_limit", "time_limit", "memdump", "objgraph"),
    *("revoke", "terminate", "revoke_by_stamped_headers", "terminate_by_stamped_headers"),
}
_PARTS = {"method", "arguments", "destination", "pattern", "matcher", "ticket", "reply_to"}


def find_header_flaw(headers: Mapping[str, Any] | None) -> str:
    """Return the reason to refuse the headers of a command, a reply or an event; "" if there is none."""
    headers = headers or {}
    for name in ("clock", "expires"):
        if not isinstance(headers.get(name), NoneType) and not _is_number(headers[name]):
            return f"its header is no number: {name}"
    clock = headers.get("clock")
    if isinstance(clock, float) or (clock is not None and clock < 0):
        return "its header is no count: clock"
    return "" if headers.get("ticket") is None or _is_text(headers["ticket"]) else "its header is no text: ticket"


def find_command_flaw(command: object) -> str:
    """Return the reason to drop a command without answering it; "" if there is none."""
    if not isinstance(command, dict) or not command.keys() <= _PARTS:
        return "it does not have the form of a command"
    method, arguments = command.get("method"), command.get("arguments") or {}
    if not isinstance(method, str) or method not in {*_COMMANDS, *REFUSED_COMMANDS}:
        return "its command is not allowed"
    if not isinstance(arguments, dict):
        return f"{method} has arguments without names"
    if method in _COMMANDS:
        checks = _COMMANDS[method]
        for name, value in arguments.items():
            if value is not None and not (name in checks and checks[name](value)):
                return f"{method} has an argument that it does not take"
    return _find_address_flaw(command)


def _find_address_flaw(command: Mapping[str, Any]) -> str:
    """Return the reason to refuse the destination of a command or the address for its reply; "" if there is none."""
    destination, reply_to = command.get("destination"), command.get("reply_to")
    if destination is not None and not (isinstance(destination, list) and _is_texts(destination)):
        return "its destination is no list of names"
    # The matcher `pcre` accepts regular expressions, and some of them keep a worker busy for ever.
    if command.get("pattern") is not None and not (_is_text(command["pattern"]) and command.get("matcher") == "glob"):
        return "its pattern is no glob"
    if command.get("ticket") is not None and not _is_text(command["ticket"]):
        return "its ticket is no text"
    match reply_to:
        case None:
            return ""
        case {"exchange": str() as exchange, "routing_key": str() as key, **more}:
            return (
                ""
                if exchange == REPLIES_EXCHANGE and _is_text(key) and not more
                else "its reply_to is not the exchange for replies"
            )
    return "its reply_to is no address"


def find_reply_flaw(reply: object) -> str:
    """Return the reason to refuse a reply; "" if there is none. A reply maps the worker's name to its answer."""
    is_reply = isinstance(reply, dict) and bool(reply) and all(map(_is_text, reply))
    return "" if is_reply else "it does not have the form of a reply"


def find_event_flaw(events: object) -> str:
    """Return the reason to refuse an event or a list of events; "" if there is none."""
    if not isinstance(events, list):
        events = [events]
    return "" if all(map(_is_event, events)) else "it does not have the form of an event"


def _is_event(event: object) -> bool:
    match event:
        case {"type": str() as kind, "hostname": str(), "timestamp": timestamp, **more}:
            numbers = (timestamp, *(more.get(name, 0) for name in ("clock", "utcoffset", "pid")))
            return all(map(_is_number, numbers)) and (not kind.startswith("task-") or _is_text(more.get("uuid")))
    return False
