"""Answers `POST /{phone_number_id}/messages`: decides the outcome of a send, counts it, and builds the reply."""

import json
import re
import time
from typing import Any

from simulator.catalogue import RefusalError
from simulator.checks import check_message
from simulator.config import Account
from simulator.connection import Request
from simulator.ledger import Accepted
from simulator.outcomes import NOT_ACCEPTED, Kind, Step
from simulator.replies import Reply, break_reply, encode_accepted, encode_json, encode_refusal, make_wamid
from simulator.state import State

_NOT_DIGIT = re.compile(r"[^0-9]")
_decode = json.JSONDecoder().decode


def answer_message(state: State, request: Request, number: str) -> Reply:
    delay = state.latency_of(number)
    try:
        return _send(state, request, number, delay)
    except RefusalError as refusal:
        state.ledger.count_error(number, refusal.code)
        return Reply(encode_refusal(refusal), delay)


def _send(state: State, request: Request, number: str, delay: float) -> Reply:
    message = _parse(request.body)
    to = message.get("to")
    digits = _NOT_DIGIT.sub("", to) if isinstance(to, str) else ""
    state.ledger.count_body(digits)
    state.check_token(request.authorization)
    account = state.find_account(number, "post")
    if message.get("status") == "read" and "message_id" in message:
        return Reply(encode_json(200, {"success": True}), delay)
    step, template = _find_outcome(state, number, account, message, digits)
    if step.kind in NOT_ACCEPTED:
        return break_reply(step, b"", delay)
    state.take_pair(number, digits)
    wamid = make_wamid(digits)
    callback_data = message.get("biz_opaque_callback_data")
    accepted = Accepted(time.monotonic(), time.time(), number, digits, callback_data, wamid, template)
    state.ledger.accept(accepted, keep=state.config.keep_accepted)
    state.reporter.report(accepted, account, step, answer_delay_seconds=delay)
    close_after = state.config.close_reused_after
    if close_after and request.answered_count >= close_after:
        # If a kept-alive connection ends before the first byte of the reply, libraries such as libcurl repeat the POST.
        step = Step(Kind.LOST)
    status = "held_for_quality_assessment" if step.kind is Kind.HELD else "accepted"
    return break_reply(step, encode_accepted(message["to"], digits, wamid, status if template else ""), delay)


def _parse(body: bytes) -> dict[str, Any]:
    try:
        message = _decode(body.decode())
    except ValueError as error:
        raise RefusalError(100, "The request body is not valid JSON.") from error
    if not isinstance(message, dict):
        raise RefusalError(100, "The request body is not a JSON object.")
    return message


def _find_outcome(
    state: State, number: str, account: Account, message: dict[str, Any], digits: str
) -> tuple[Step, str]:
    """Return the outcome of a send and the name of its template ("" for other types).

    Checks in this order: the account's outcome, the number's rate limit, the content, the account's outcome for the
    template's category, the phone's outcome. Raises RefusalError if one of them is an error.
    """
    step = state.account_step(number, account)
    if step.kind is not Kind.ERROR:
        state.take_throughput(number, account)
        template = check_message(state.config.templates, account, message)
        if step.kind is Kind.OK and template is not None:
            step = state.category_step(number, account, template.category)
        if step.kind is Kind.OK:
            step = state.phone_step(digits)
    if step.kind is Kind.ERROR:
        raise RefusalError(step.code)
    return step, template.name if template is not None else ""
