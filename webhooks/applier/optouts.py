"""Reads opt-outs from people's answers, and from the marketing preferences that people set in WhatsApp."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from campaigns.domain.optout.recognition import Source, Stop, StopRules
from webhooks.applier.json_fields import (
    MAX_ID_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    UnusableError,
    load_json,
    read_id,
    read_text,
    read_time,
)
from webhooks.applier.people import CONTACT, SENDER, find_person

PREFERENCES_FIELD = "user_preferences"

# A `resume` is applied only if its category is one of these. A `stop` is applied whatever its category is.
_MARKETING = frozenset({"marketing_messages", ""})
_MAX_ANSWER_CHARACTERS = 4_096  # WhatsApp's limit for a text


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person refuses further messages (`is_active`), or ends an earlier refusal in WhatsApp's own settings.

    `number` is the person's `wa_id`, or "" if the webhook names only their `user_ids`, or only the message that they
    answered (`context_wamid`). `phone_number_id` is the number that received the answer, or "" for a preference set in
    WhatsApp. If `is_certain` is False, an operator decides whether the answer is a refusal, and `text` is the answer.
    `answer_id` is the id of the inbound message.
    """

    source: Source
    is_active: bool
    at: dt.datetime
    detail: str
    number: str
    context_wamid: str = ""
    phone_number_id: str = ""
    user_ids: tuple[str, ...] = ()
    answer_id: str = ""
    is_certain: bool = True
    text: str = ""


def read_optout(message: object, phone_number_id: str, rules: StopRules) -> OptOut | None:
    """Return the opt-out in an inbound message, or None if the message has no opt-out.

    Raises UnusableError if the message is an opt-out, but the author or the time of the message cannot be read.
    """
    if not isinstance(message, dict):
        return None
    source, refusal, text = _find_stop(message, rules)
    if refusal is None:
        return None
    number, user_ids = find_person(message, SENDER)
    context = message.get("context")
    context_wamid = read_id(context.get("id"), "context.id") if isinstance(context, dict) else ""
    if not number and not user_ids and not context_wamid:
        raise UnusableError("from", "missing: the opt-out names no author and no message that it answers")
    at = read_time(message.get("timestamp"), "timestamp")
    return OptOut(
        source,
        is_active=True,
        at=at,
        detail=refusal.detail,
        number=number,
        context_wamid=context_wamid,
        phone_number_id=phone_number_id,
        user_ids=user_ids,
        answer_id=read_text(message.get("id"), MAX_ID_CHARACTERS),
        is_certain=refusal.is_certain,
        text="" if refusal.is_certain else text[:MAX_TEXT_CHARACTERS],
    )


def _find_stop(message: Mapping[str, Any], rules: StopRules) -> tuple[Source, Stop | None, str]:
    """Return the source, the refusal in a message (or None), and the text in which a refusal was searched.

    Texts, captions, tapped buttons and forms are searched. Messages to a group and reactions are not searched, because
    they do not answer a campaign.
    """
    if message.get("group_id"):
        return Source.WORD, None, ""
    kind, part = _read_part(message)
    if kind == "edit":  # the part `message` of an edit is the new version
        edited = part.get("message")
        kind, part = _read_part(edited if isinstance(edited, dict) else part)
    if kind in _WRITTEN:
        text = _read(part, _WRITTEN[kind])
        refusal = rules.find_word(text)
        if refusal and _is_forwarded(message):  # the text was written by another person
            refusal = replace(refusal, is_certain=False)
        return Source.WORD, refusal, text
    if kind == "button":
        text = _read(part, "text")
        return Source.BUTTON, rules.find_button(_read(part, "payload"), [text]), text
    if kind == "interactive":
        kind, part = _read_part(part)
    if kind in ("button_reply", "list_reply"):
        text = _read(part, "title")
        return Source.BUTTON, rules.find_button(_read(part, "id"), [text, _read(part, "description")]), text
    if kind == "nfm_reply":
        return Source.BUTTON, _find_in_form(part.get("response_json"), rules), ""
    return Source.WORD, None, ""


# By type of message, the key of the text that the sender has written.
_WRITTEN = {"text": "body", "image": "caption", "video": "caption", "document": "caption"}


def _read_part(message: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type of a message (or of an `interactive`), and the part whose key is the name of this type."""
    kind = message.get("type")
    part = message.get(kind) if isinstance(kind, str) else None
    return (kind, part) if isinstance(kind, str) and isinstance(part, dict) else ("", {})


def _is_forwarded(message: Mapping[str, Any]) -> bool:
    context = message.get("context")
    return isinstance(context, dict) and bool(context.get("forwarded") or context.get("frequently_forwarded"))


def _read(part: Mapping[str, Any], key: str) -> str:
    return read_text(part.get(key), _MAX_ANSWER_CHARACTERS)


def _find_in_form(response: object, rules: StopRules) -> Stop | None:
    """Return the first certain refusal in the answer to a Flow (a form whose fields the business has named), or None.

    The value of a field may be a refusal or a stop payload, and so may the name of a ticked field. The Flow builder
    puts numbers before options and around field names ("0_Sair"). These numbers are removed first.
    """
    for name, value in _list_fields(response):
        texts = [_OPTION_NUMBER.sub("", value)]
        if value.lower() in _TICKED:
            texts.append(_FIELD_NUMBER.sub("", name))
        for text in texts:
            refusal = rules.find_button(text, [text])
            if refusal and refusal.is_certain:
                return refusal
    return None


_MAX_FORM_CHARACTERS = 50_000
_MAX_FORM_FIELDS = 200
_MAX_VALUE_CHARACTERS = 100
_TICKED = frozenset({"true", "yes", "sim", "si", "sí", "1", "on"})
_OPTION_NUMBER = re.compile(r"^\d+_")
_FIELD_NUMBER = re.compile(r"^screen_\d+_|_\d+$")


def _list_fields(response: object) -> Iterator[tuple[str, str]]:
    """Yield the name and the value of each field, and of each item of a list. Skips long values and invalid JSON."""
    if isinstance(response, str):
        try:
            response = load_json(response[:_MAX_FORM_CHARACTERS].encode("utf-8", "surrogatepass"))
        except (ValueError, RecursionError):
            return
    unread: list[tuple[str, object]] = [("", response)]
    for _ in range(_MAX_FORM_FIELDS):
        if not unread:
            return
        name, value = unread.pop()
        if isinstance(value, dict):
            unread.extend((key, item) for key, item in islice(value.items(), _MAX_FORM_FIELDS) if key != "flow_token")
        elif isinstance(value, list):
            unread.extend((name, item) for item in value[:_MAX_FORM_FIELDS])
        elif len(name) <= _MAX_VALUE_CHARACTERS >= len(written := str(value)):
            yield read_text(name), read_text(written)


def read_preference(preference: Mapping[str, Any]) -> OptOut | None:
    """Return the opt-out in a preference that a person has set in WhatsApp.

    The result is None unless the preference is a `stop`, or a `resume` of marketing messages.

    Raises UnusableError if the person or the time cannot be read.
    """
    word, category = preference.get("value"), read_text(preference.get("category"))
    if word not in ("stop", "resume") or (word == "resume" and category not in _MARKETING):
        return None
    number, user_ids = find_person(preference, CONTACT)
    if not number and not user_ids:
        raise UnusableError("wa_id", f"missing: the {word} names no person")
    at = read_time(preference.get("timestamp"), "timestamp")
    return OptOut(Source.META, word == "stop", at, PREFERENCES_FIELD, number, user_ids=user_ids)
