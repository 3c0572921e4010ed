"""Decides what an answer of a person, or what WhatsApp passes on from one, says about being messaged."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from campaigns.domain.optout.recognition import Refusal, Source, StopRules
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

# What `resume` is about; any other category of marketing stops all the same.
_MARKETING = frozenset({"marketing_messages", ""})
_MAX_ANSWER_CHARACTERS = 4_096  # as long as WhatsApp's texts are


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person wants no more (`is_active`), or takes back what they told WhatsApp.

    `number` is a `wa_id`, or "" where the webhook names only `user_ids`, or only the message that was answered
    (`context_wamid`). `phone_number_id` is the number that was written to, "" for an opt-out that WhatsApp itself
    passed on. `is_certain` False: a person decides whether the answer refuses, and `text` is the answer for that
    decision. `answer_id` is the id of the inbound message.
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
    """Return the opt-out that an inbound message is, None for any other. Raises UnusableError where it is one, and
    nobody can tell whose or when.
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
        raise UnusableError("from", "missing: an opt-out of nobody knows whom, which answers no message")
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


def _find_stop(message: Mapping[str, Any], rules: StopRules) -> tuple[Source, Refusal | None, str]:
    """Return the refusal in a message, None if there is none, and the text that it is.

    Texts, captions and tapped buttons are read. A message to a group and a reaction are no answers to a campaign.
    """
    if message.get("group_id"):
        return Source.WORD, None, ""
    kind, part = _read_part(message)
    if kind == "edit":  # its `message` is the new version
        edited = part.get("message")
        kind, part = _read_part(edited if isinstance(edited, dict) else part)
    if kind in _WRITTEN:
        text = _read(part, _WRITTEN[kind])
        refusal = rules.find_word(text)
        if refusal and _is_forwarded(message):  # somebody else wrote the words
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


# The types of messages with a text by their sender, and the key of that text.
_WRITTEN = {"text": "body", "image": "caption", "video": "caption", "document": "caption"}


def _read_part(message: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the type of a message (or of an `interactive`), and the part under the key of the same name."""
    kind = message.get("type")
    part = message.get(kind) if isinstance(kind, str) else None
    return (kind, part) if isinstance(kind, str) and isinstance(part, dict) else ("", {})


def _is_forwarded(message: Mapping[str, Any]) -> bool:
    context = message.get("context")
    return isinstance(context, dict) and bool(context.get("forwarded") or context.get("frequently_forwarded"))


def _read(part: Mapping[str, Any], key: str) -> str:
    return read_text(part.get(key), _MAX_ANSWER_CHARACTERS)


def _find_in_form(response: object, rules: StopRules) -> Refusal | None:
    """Return the certain refusal in the answer to a Flow, a form whose fields the business named.

    A value counts if it is a refusal or a stop payload ("0_Sair": the Flow builder numbers options and fields). A
    ticked field counts if its name is one.
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
    """Yield the name and the value of each field, and each item of a list. Skips long values and invalid JSON."""
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
    """Return what a person told WhatsApp, None for what is neither stop nor resume. Raises UnusableError where nobody
    can tell whose or when.
    """
    word, category = preference.get("value"), read_text(preference.get("category"))
    if word not in ("stop", "resume") or (word == "resume" and category not in _MARKETING):
        return None
    number, user_ids = find_person(preference, CONTACT)
    if not number and not user_ids:
        raise UnusableError("wa_id", f"missing: a {word} of nobody knows whom")
    at = read_time(preference.get("timestamp"), "timestamp")
    return OptOut(Source.META, word == "stop", at, PREFERENCES_FIELD, number, user_ids=user_ids)
