"""Decides what a webhook body says: evidence, template and account events, what is set aside, what is ignored.

Pure and total: `parse_event` returns for any bytes. Each piece of a batch stands alone, so one that cannot be read
costs no other. The shapes are those of the Cloud API's webhooks (Graph API v24.0).
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from campaigns.domain.callback import ANSWER
from campaigns.domain.optout.recognition import StopRules
from webhooks.applier.events import (
    ACCOUNT_FIELDS,
    TEMPLATE_FIELD,
    AccountEvent,
    TemplateEvent,
    is_quality_update,
    read_account_errors,
    read_account_event,
    read_template_event,
)
from webhooks.applier.evidence import Evidence
from webhooks.applier.json_fields import (
    UnusableError,
    dump_json,
    load_json,
    quote,
    read_id,
    read_list,
    read_object,
    read_text,
    read_time,
)
from webhooks.applier.optouts import PREFERENCES_FIELD, OptOut, read_optout, read_preference
from webhooks.applier.people import People
from webhooks.applier.statuses import STATUSES, read_evidence

_MAX_KIND_CHARACTERS = 60
# Parts that are set aside are written with what surrounds them; beyond this part of their body it is kept whole.
_MOST_ASIDE = 2
_ASIDE_BYTES = 10_000
_DEFAULT_RULES = StopRules()


@dataclass(frozen=True, slots=True)
class SetAside:
    """A part that cannot be read. `piece` is a body that holds just this part (the whole body if it is not JSON)."""

    piece: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class _Source:
    """What one evidence was read from."""

    waba_id: str
    phone_number_id: str
    status: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """All that one body says. `ignored` counts by kind what we do not need: `field:calls`, `message:text` …

    `people`: the numbers and user ids of the same person, from every part of the body, also from ignored parts.
    """

    is_readable: bool = True
    evidence: tuple[Evidence, ...] = ()
    template_events: tuple[TemplateEvent, ...] = ()
    account_events: tuple[AccountEvent, ...] = ()
    optouts: tuple[OptOut, ...] = ()
    people: People = field(default_factory=People)
    set_aside: tuple[SetAside, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    _sources: tuple[_Source, ...] = field(default=(), repr=False, compare=False)
    _optout_bodies: tuple[bytes, ...] = field(default=(), repr=False, compare=False)

    @property
    def has_events(self) -> bool:
        """Whether the body says more than its pieces do."""
        return bool(self.template_events or self.account_events or self.set_aside)

    def list_pieces(self) -> list[bytes]:
        """Return each status and each opt-out as a body of its own."""
        return [*(self.rewrap(index) for index in range(len(self.evidence))), *self._optout_bodies]

    def without_pieces(self) -> ParsedEvent:
        """Return what the body says beside its pieces."""
        return replace(self, evidence=(), optouts=())

    def rewrap_optout(self, index: int) -> bytes:
        """Return a body that says `optouts[index]` and nothing else."""
        return self._optout_bodies[index]

    def rewrap(self, index: int) -> bytes:
        """Return a body that says `evidence[index]` and nothing else, so that it can be parked alone."""
        source = self._sources[index]
        metadata = {"phone_number_id": source.phone_number_id}
        value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [source.status]}
        return _wrap({"id": source.waba_id}, {"field": "messages", "value": value})


def parse_event(body: bytes, rules: StopRules = _DEFAULT_RULES) -> ParsedEvent:
    """Return what `body` says; by `rules` an answer is an opt-out. Never raises."""
    try:
        content = load_json(body)
    except RecursionError:
        return keep_whole(body, "nested too deeply")
    except json.JSONDecodeError as error:
        return keep_whole(body, f"not JSON: {error}")
    except ValueError as error:
        return keep_whole(body, f"not JSON: {type(error).__name__}")
    if not isinstance(content, dict | list):
        return keep_whole(body, f"not an object: {quote(content)}")
    reader = _Reader(body, rules)
    if isinstance(content, list):
        for index, envelope in enumerate(content):
            reader.read_envelope(envelope, f"[{index}].")
    else:
        reader.read_envelope(content, "")
    return reader.finish()


def keep_whole(body: bytes, reason: str) -> ParsedEvent:
    """Return that nothing can be read of a body."""
    return ParsedEvent(is_readable=False, set_aside=(SetAside(body, reason),))


def _wrap(frame: Mapping[str, Any], change: object) -> bytes:
    """Return a body whose only entry is `frame` with `change` as its only change."""
    return _wrap_entry({**frame, "changes": [change]})


def _wrap_entry(entry: object) -> bytes:
    return dump_json({"object": "whatsapp_business_account", "entry": [entry]})


@dataclass(frozen=True, slots=True)
class _Entry:
    """The entry that a change belongs to: `frame` is the entry without its changes."""

    waba_id: str
    frame: dict[str, Any]

    def read_time(self) -> dt.datetime | None:
        time = self.frame.get("time")
        return None if time is None else read_time(time, "time")


@dataclass(frozen=True, slots=True)
class _Number:
    """The phone number whose messages a change speaks of. What is wrapped bears what is read of it, and no more."""

    entry: _Entry
    phone_number_id: str
    metadata: dict[str, Any]

    def wrap(self, key: str, part: object) -> bytes:
        value = {"metadata": {"phone_number_id": self.phone_number_id}, key: part}
        return _wrap(self.entry.frame, {"field": "messages", "value": value})


class _Reader:
    """Walks a body once and collects. A part that raises `UnusableError` is set aside at the level it belongs to."""

    def __init__(self, body: bytes, rules: StopRules) -> None:
        self._body, self._rules = body, rules
        self._optouts: list[OptOut] = []
        self._optout_bodies: list[bytes] = []
        self._people = People()
        self._evidence: list[Evidence] = []
        self._sources: list[_Source] = []
        self._template_events: list[TemplateEvent] = []
        self._account_events: list[AccountEvent] = []
        self._set_aside: list[SetAside] = []
        self._aside_count, self._aside_bytes = 0, 0
        self._ignored: Counter[str] = Counter()

    def finish(self) -> ParsedEvent:
        return ParsedEvent(
            evidence=tuple(self._evidence),
            template_events=tuple(self._template_events),
            account_events=tuple(self._account_events),
            optouts=tuple(self._optouts),
            people=self._people,
            _optout_bodies=tuple(self._optout_bodies),
            set_aside=tuple(self._list_set_aside()),
            ignored=dict(self._ignored),
            _sources=tuple(self._sources),
        )

    def read_envelope(self, envelope: object, path: str) -> None:
        try:
            entries = read_list(_demand_object(envelope).get("entry"), "entry")
        except UnusableError as error:
            self._put_aside(dump_json([envelope] if path else envelope), path.rstrip("."), error)
            return
        if not entries:
            self._ignore("empty", "entry")
        for index, entry in enumerate(entries):
            self._read_entry(entry, f"{path}entry[{index}]")

    def _read_entry(self, entry: object, path: str) -> None:
        try:
            content = _demand_object(entry)
            changes = read_list(content.get("changes"), "changes")
            frame: dict[str, Any] = {key: content[key] for key in ("id", "time") if key in content}
            place = _Entry(read_id(content.get("id"), "id"), frame)
        except UnusableError as error:
            self._put_aside(_wrap_entry(entry), path, error)
            return
        if not changes:
            self._ignore("empty", "changes")
        for index, change in enumerate(changes):
            self._read_change(change, place, f"{path}.changes[{index}]")

    def _read_change(self, change: object, entry: _Entry, path: str) -> None:
        try:
            content = _demand_object(change)
            name = _name_field(content)
            self._people.read(content.get("value"))
            if name == "messages":
                self._read_messages(read_object(content.get("value"), "value"), entry, f"{path}.value")
            elif name == PREFERENCES_FIELD:
                self._read_preferences(read_object(content.get("value"), "value"), entry, f"{path}.value")
            elif name == TEMPLATE_FIELD or name in ACCOUNT_FIELDS:
                self._read_event(name, read_object(content.get("value"), "value"), entry)
            else:
                self._ignore("field", name)
        except UnusableError as error:
            self._put_aside(_wrap(entry.frame, change), path, error)

    def _read_event(self, name: str, value: dict[str, Any], entry: _Entry) -> None:
        if name == TEMPLATE_FIELD and not is_quality_update(name, value):
            self._template_events.append(read_template_event(value, entry.waba_id, entry.read_time()))
        else:
            self._account_events.append(read_account_event(name, value, entry.waba_id, entry.read_time()))

    def _read_messages(self, value: dict[str, Any], entry: _Entry, path: str) -> None:
        metadata = read_object(value.get("metadata"), "value.metadata")
        phone_number_id = read_id(metadata.get("phone_number_id"), "value.metadata.phone_number_id")
        number = _Number(entry, phone_number_id, metadata)
        parts = (
            ("statuses", self._read_statuses),
            ("messages", self._read_answers),
            ("errors", self._read_account_errors),
        )
        if not any(value.get(key) for key, _ in parts):
            self._ignore("field", "messages")
        for key, read in parts:
            part = value.get(key)
            try:
                if part:
                    read(part, number, f"{path}.{key}")
            except UnusableError as error:
                self._put_aside(number.wrap(key, part), f"{path}.{key}", error)

    def _read_statuses(self, part: object, number: _Number, path: str) -> None:
        for index, status in enumerate(read_list(part, "")):
            try:
                evidence = self._read_status(_demand_object(status), number)
            except UnusableError as error:
                self._put_aside(number.wrap("statuses", [status]), f"{path}[{index}]", error)
            else:
                if evidence is not None:
                    self._evidence.append(evidence)
                    self._sources.append(_Source(number.entry.waba_id, number.phone_number_id, status))

    def _read_status(self, status: dict[str, Any], number: _Number) -> Evidence | None:
        """Return the evidence, or None for a status that is counted and ignored."""
        name = status.get("status")
        kind = status.get("type") or "message"
        if not isinstance(name, str):
            raise UnusableError("status", f"not a string: {quote(name)}")
        if kind != "message":  # a call or a payment, whose `failed` says nothing about the message
            self._ignore("status", f"{kind}/{name}" if isinstance(kind, str) else name)
            return None
        reached = STATUSES.get(name)
        if status.get("biz_opaque_callback_data") == ANSWER:
            self._ignore("status", f"answer/{name}")
            return None
        if reached is None:
            self._ignore("status", name)
            return None
        return read_evidence(status, reached, number.entry.waba_id, number.phone_number_id)

    def _read_answers(self, part: object, number: _Number, path: str) -> None:
        for index, message in enumerate(read_list(part, "")):
            try:
                optout = read_optout(message, number.phone_number_id, self._rules)
            except UnusableError as error:
                self._put_aside(number.wrap("messages", [message]), f"{path}[{index}]", error)
                continue
            if optout is None:
                self._ignore("message", message.get("type") if isinstance(message, dict) else quote(message))
            else:
                self._optouts.append(optout)
                self._optout_bodies.append(number.wrap("messages", [message]))

    def _read_preferences(self, value: dict[str, Any], entry: _Entry, path: str) -> None:
        said = read_list(value.get(PREFERENCES_FIELD), f"value.{PREFERENCES_FIELD}")
        if not said:
            self._ignore("field", PREFERENCES_FIELD)
        for index, preference in enumerate(said):
            body = _wrap(entry.frame, {"field": PREFERENCES_FIELD, "value": {PREFERENCES_FIELD: [preference]}})
            try:
                optout = read_preference(_demand_object(preference))
            except UnusableError as error:
                self._put_aside(body, f"{path}.{PREFERENCES_FIELD}[{index}]", error)
                continue
            if optout is None:
                self._ignore("preference", preference.get("value"))
            else:
                self._optouts.append(optout)
                self._optout_bodies.append(body)

    def _read_account_errors(self, part: object, number: _Number, _path: str) -> None:
        entry = number.entry
        self._account_events.append(read_account_errors(part, number.metadata, entry.waba_id, entry.read_time()))

    def _ignore(self, kind: str, name: object) -> None:
        self._ignored[f"{kind}:{read_text(name, _MAX_KIND_CHARACTERS) or 'none'}"] += 1

    def _put_aside(self, piece: bytes, path: str, error: UnusableError) -> None:
        self._aside_count += 1
        self._aside_bytes += len(piece)
        if self._set_aside and self._is_too_much_aside:
            del self._set_aside[1:]
            return
        place = ".".join(part for part in (path, error.where) if part)
        self._set_aside.append(SetAside(piece, f"{place}: {error.why}" if place else error.why))

    @property
    def _is_too_much_aside(self) -> bool:
        return self._aside_bytes > _MOST_ASIDE * len(self._body) + _ASIDE_BYTES

    def _list_set_aside(self) -> list[SetAside]:
        if not self._is_too_much_aside:
            return self._set_aside
        first = self._set_aside[0]
        return [SetAside(self._body, f"{first.reason} (the first of {self._aside_count} such parts)")]


def _demand_object(part: object) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise UnusableError("", f"not an object: {quote(part)}")
    return part


def _name_field(change: dict[str, Any]) -> str:
    """Return the field of a change; statuses say by themselves what they are."""
    name = change.get("field")
    if name is None:
        value = change.get("value")
        return "messages" if isinstance(value, dict) and "statuses" in value else ""
    if not isinstance(name, str):
        raise UnusableError("field", f"not a string: {quote(name)}")
    return name
