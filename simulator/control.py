"""Answers `/_simulator/…`: returns the simulator's counts, and changes its script while it runs."""

import json
from collections.abc import Mapping
from typing import Any

from simulator.config import ConfigError
from simulator.replies import Reply, encode_json
from simulator.state import State


class _BadRequestError(Exception):
    pass


def answer_control(state: State, method: str, name: str, query: Mapping[str, str], body: bytes) -> Reply:
    try:
        answer = _show(state, name, query) if method == "GET" else _change(state, name, query, body)
    except (ConfigError, _BadRequestError) as error:
        return Reply(encode_json(400, {"error": str(error)}))
    if answer is None:
        return Reply(encode_json(404, {"error": f"there is no {method} /_simulator/{name}"}))
    return Reply(encode_json(200, answer))


def _show(state: State, name: str, query: Mapping[str, str]) -> dict[str, Any] | None:
    match name:
        case "stats":
            return {**state.ledger.summary(), "webhooks": state.reporter.summary()}
        case "recipients":
            return _list_recipients(state, _read_number(query, "min", 1))
        case "accepted":
            return _list_accepted(state, _read_number(query, "after", 0))
        case "wire":
            return {"recipients": state.ledger.arrived}
        case _:
            return None


def _change(state: State, name: str, query: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    match name:
        case "script":
            state.apply_script(_read_object(body))
        case "reset":
            state.reset(keep_script=query.get("keep") == "script")
        case "webhook" if state.config.webhooks.callback_url:
            state.reporter.inject(_read_object(body))
        case "webhook":
            raise _BadRequestError("script.webhooks.callback_url is not set")
        case "flush":
            return {"ok": True, "flushed": state.reporter.flush()}
        case _:
            return None
    return {"ok": True}


def _list_recipients(state: State, minimum: int) -> dict[str, Any]:
    ledger = state.ledger
    if minimum <= 1:
        return {"recipients": ledger.recipients, "callback_data": ledger.callback_data}
    return {
        "recipients": {to: count for to, count in ledger.recipients.items() if count >= minimum},
        "callback_data": {data: count for data, count in ledger.callback_data.items() if count >= minimum},
    }


def _list_accepted(state: State, after: int) -> dict[str, Any]:
    return {"accepted": [accepted._asdict() for accepted in state.ledger.log[after:]]}


def _read_number(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name, str(default))
    if not value.isdecimal():
        raise _BadRequestError(f"{name} must be a number, got {value!r}")
    return int(value)


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise _BadRequestError(f"the body is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise _BadRequestError("the body must be a JSON object")
    return document
