"""Decides what an answer of a person, or what WhatsApp passes on from one, says about being messaged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from campaigns.domain.optout import Refusal, Source, StopRules
from webhooks.people import CONTACT, SENDER, find_person
from webhooks.reading import MAX_ID_CHARACTERS, UnusableError, read_id, read_text, read_time

PREFERENCES_FIELD = "user_preferences"

# What `resume` is about; any other category of marketing stops all the same.
_MARKETING = frozenset({"marketing_messages", ""})
_MAX_ANSWER_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class OptOut:
    """A person wants no more (`is_active`), or takes back what they told WhatsApp.

    `number` is a `wa_id`, or "" where the webhook names only `user_ids`, or only the message that was answered
    (`context_wamid`). `phone_number_id` is the number that was written to, "" for what came by WhatsApp itself. Where
    it is not certain (`is_certain`) that the person refuses, `text` is their answer as they gave it, for whoever
    decides. `answer_id` is the id of the inbound message.
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
        text="" if refusal.is_certain else text,
    )


def _find_stop(message: Mapping[str, Any], rules: StopRules) -> tuple[Source, Refusal | None, str]:
    """Return the refusal in a message, None if there is none, and the text that it is."""
    kind = message.get("type")
    part = message.get(kind) if isinstance(kind, str) else None
    if not isinstance(part, dict):
        return Source.WORD, None, ""
    if kind == "text":
        body = _read(part, "body")
        return Source.WORD, rules.find_word(body), body
    if kind == "button":
        title = _read(part, "text")
        return Source.BUTTON, rules.find_button(_read(part, "payload"), [title]), title
    if kind == "interactive" and part.get("type") in ("button_reply", "list_reply"):
        reply = part.get(part["type"])
        if isinstance(reply, dict):
            title = _read(reply, "title")
            return Source.BUTTON, rules.find_button(_read(reply, "id"), [title]), title
    return Source.WORD, None, ""


def _read(part: Mapping[str, Any], key: str) -> str:
    return read_text(part.get(key), _MAX_ANSWER_CHARACTERS)


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
