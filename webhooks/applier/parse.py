"""Parses a webhook body into evidence, events, opt-outs, replies, dead letters, and counts of unused parts.

`parse_event` is pure and never raises, whatever the bytes are. It reads each part of a batch separately, so an
unreadable part does not affect the other parts. The formats are those of the Cloud API's webhooks (Graph API v24.0).
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from campaigns.domain.optout.recognition import StopRules
from campaigns.whatsapp.callback import ANSWER
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
    MAX_QUOTE_CHARACTERS,
    UnusableError,
    bound_time,
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
from webhooks.applier.people import NOBODY, People
from webhooks.applier.replies import Reply, read_reply, strip_content
from webhooks.applier.statuses import STATUSES, read_evidence
from webhooks.applier.usual import read_usual

_MAX_KIND_CHARACTERS = 60
# Each dead letter is a body of its own, with a copy of the entry around the part. The dead letters of a body may
# together be as long as the body times this ratio, plus this number of bytes. If they are longer, the whole body
# becomes one dead letter instead.
_MAX_DEAD_LETTER_RATIO = 2
_DEAD_LETTER_BYTES = 10_000
_DEFAULT_RULES = StopRules()
_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A part that cannot be read. `piece` is a body with only this part, or the whole body."""

    piece: bytes
    reason: str


@dataclass(slots=True)
class ParsedEvent:
    """The content of one body. `ignored` counts unused parts by kind: `field:calls`, `message:reaction` …

    If a message is both an opt-out and a reply, the opt-out is in `optouts`, and the reply is in `optout_replies`.
    `replies` are all other replies.

    `people`: the numbers and user ids that belong to the same person. They are read from every part of the body, also
    from ignored parts.
    """

    is_readable: bool = True
    evidence: tuple[Evidence, ...] = ()
    template_events: tuple[TemplateEvent, ...] = ()
    account_events: tuple[AccountEvent, ...] = ()
    optouts: tuple[OptOut, ...] = ()
    optout_replies: tuple[Reply, ...] = ()
    replies: tuple[Reply, ...] = ()
    people: People = field(default_factory=lambda: NOBODY)
    dead_letters: tuple[DeadLetter, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=lambda: _NOTHING)
    _body: bytes = field(default=b"", repr=False, compare=False)
    _rules: StopRules = field(default=_DEFAULT_RULES, repr=False, compare=False)
    _status_bodies: list[bytes] | None = field(default=None, repr=False, compare=False)
    _optout_bodies: tuple[bytes, ...] = field(default=(), repr=False, compare=False)
    _reply_bodies: tuple[bytes, ...] = field(default=(), repr=False, compare=False)

    @property
    def has_events(self) -> bool:
        """Whether the body has content besides its statuses, opt-outs and replies."""
        return bool(self.template_events or self.account_events or self.dead_letters)

    def bound_times(self, received_at: dt.datetime) -> ParsedEvent:
        """Return the content with each of Meta's times bounded by the time of receipt.

        A `resume` (the person wants marketing again) from before 2009 keeps its time, which is older than WhatsApp. So
        the `resume` is older than each refusal, and ends no refusal.
        """
        people = self.people.bound_times(received_at) if self.people else self.people
        if (
            people is self.people
            and not (self.has_events or self.optouts or self.replies)
            and _are_bounded(self.evidence, received_at)
        ):
            return self  # the usual body: statuses with usable times
        return replace(
            self,
            evidence=tuple(replace(each, at=bound_time(each.at, received_at)) for each in self.evidence),
            optouts=tuple(
                replace(each, at=bound_time(each.at, received_at) if each.is_active else min(each.at, received_at))
                for each in self.optouts
            ),
            optout_replies=tuple(replace(each, at=bound_time(each.at, received_at)) for each in self.optout_replies),
            replies=tuple(replace(each, at=bound_time(each.at, received_at)) for each in self.replies),
            template_events=tuple(
                replace(each, at=each.at and min(each.at, received_at)) for each in self.template_events
            ),
            account_events=tuple(
                replace(each, at=each.at and min(each.at, received_at)) for each in self.account_events
            ),
            people=people,
        )

    @property
    def piece_count(self) -> int:
        """The number of statuses, opt-outs and other replies."""
        return len(self.evidence) + len(self.optouts) + len(self.replies)

    def list_portions(self, size: int) -> list[bytes]:
        """Return bodies that contain `size` pieces each; the last body may contain fewer."""
        pieces = self.list_pieces()
        return [b"[%b]" % b",".join(pieces[start : start + size]) for start in range(0, len(pieces), size)]

    def list_pieces(self) -> list[bytes]:
        """Return a body of its own for each status, each opt-out and each other reply."""
        statuses = [self.rewrap(index) for index in range(len(self.evidence))]
        return [*statuses, *self._optout_bodies, *self._reply_bodies]

    def without_pieces(self) -> ParsedEvent:
        """Return the content without statuses, opt-outs and replies."""
        return replace(self, evidence=(), optouts=(), optout_replies=(), replies=())

    def rewrap_optout(self, index: int) -> bytes:
        """Return a body that contains only `optouts[index]`."""
        return self._optout_bodies[index]

    def rewrap(self, index: int) -> bytes:
        """Return a body that contains only `evidence[index]`, so that it can be deferred alone.

        Nearly all statuses are applied, and need no body of their own. To make a body for each status would take longer
        than to read the whole body a second time for the few statuses that need one.
        """
        if self._status_bodies is None:
            self._status_bodies = _list_status_bodies(self._body, self._rules)
        return self._status_bodies[index]


def _are_bounded(evidence: Sequence[Evidence], received_at: dt.datetime) -> bool:
    # Most bodies have one status, and for one status a loop is faster than all(…).
    for each in evidence:  # noqa: SIM110
        if bound_time(each.at, received_at) is not each.at:
            return False
    return True


def parse_event(body: bytes, rules: StopRules = _DEFAULT_RULES) -> ParsedEvent:
    """Parse `body`; `rules` decide which answers are opt-outs. Never raises."""
    if (usual := read_usual(body)) is not None:
        evidence, people = usual
        return ParsedEvent(evidence=tuple(evidence), people=people, ignored=_NOTHING, _body=body, _rules=rules)
    return parse_unusual(body, rules)


def parse_unusual(body: bytes, rules: StopRules = _DEFAULT_RULES) -> ParsedEvent:
    """Parse `body` as `parse_event` does, but without the shorter way for usual bodies. Never raises."""
    try:
        content = load_json(body)
    except RecursionError:
        return dead_letter_body(body, "nested too deeply")
    except json.JSONDecodeError as error:
        return dead_letter_body(body, f"not JSON: {error}")
    except ValueError as error:
        return dead_letter_body(body, f"not JSON: {type(error).__name__}")
    if not isinstance(content, dict | list):
        return dead_letter_body(body, f"not an object: {quote(content)}")
    reader = _Reader(body, rules)
    _read(reader, content)
    return reader.finish()


def _list_status_bodies(body: bytes, rules: StopRules) -> list[bytes]:
    """Return a body of its own for each status of `body` that is evidence."""
    bodies: list[bytes] = []
    try:
        content = load_json(body)
    except RecursionError:  # the stack is deeper than when the body was read; a new thread has an empty stack
        with ThreadPoolExecutor(1) as thread:
            content = thread.submit(load_json, body).result()
    _read(_Reader(body, rules, status_bodies=bodies), content)
    return bodies


def _read(reader: _Reader, content: dict[str, Any] | list[Any]) -> None:
    if isinstance(content, list):
        for index, envelope in enumerate(content):
            reader.read_envelope(envelope, f"[{index}].")
    else:
        reader.read_envelope(content, "")


def dead_letter_body(body: bytes, reason: str) -> ParsedEvent:
    """Return the result for a body that cannot be read at all: the whole body is one dead letter."""
    return ParsedEvent(is_readable=False, dead_letters=(DeadLetter(body, reason),))


def _wrap(frame: Mapping[str, Any], change: object) -> bytes:
    """Return a body whose only entry is `frame` with `change` as its only change."""
    return _wrap_entry({**frame, "changes": [change]})


def _wrap_entry(entry: object) -> bytes:
    return dump_json({"object": "whatsapp_business_account", "entry": [entry]})


@dataclass(slots=True)
class _Entry:
    """The entry that a change belongs to. `frame` has the entry's id and time, without its changes."""

    waba_id: str
    frame: dict[str, Any]

    def read_time(self) -> dt.datetime | None:
        time = self.frame.get("time")
        return None if time is None else read_time(time, "time")


@dataclass(slots=True)
class _Number:
    """The phone number that a change of the field `messages` is about."""

    entry: _Entry
    phone_number_id: str
    metadata: dict[str, Any]

    @property
    def display_phone_number(self) -> str:
        """The digits of the number, "" if the metadata has none."""
        return "".join(filter(str.isdecimal, read_text(self.metadata.get("display_phone_number"))))

    def wrap(self, key: str, part: object) -> bytes:
        """Return a body that contains only `part` and the id of the phone number."""
        value = {"metadata": {"phone_number_id": self.phone_number_id}, key: part}
        return _wrap(self.entry.frame, {"field": "messages", "value": value})


class _Reader:
    """Walks a body once and collects its content. The smallest part that raises UnusableError becomes a dead letter.

    `status_bodies`: gets a body of its own for each status that is evidence.
    """

    def __init__(self, body: bytes, rules: StopRules, status_bodies: list[bytes] | None = None) -> None:
        self._body, self._rules, self._status_bodies = body, rules, status_bodies
        self._optouts: list[OptOut] = []
        self._optout_bodies: list[bytes] = []
        self._optout_replies: list[Reply] = []
        self._replies: list[Reply] = []
        self._reply_bodies: list[bytes] = []
        self._people = People()
        self._evidence: list[Evidence] = []
        self._template_events: list[TemplateEvent] = []
        self._account_events: list[AccountEvent] = []
        self._dead_letters: list[DeadLetter] = []
        self._dead_letter_count, self._dead_letter_bytes = 0, 0
        self._ignored: dict[str, int] = {}

    def finish(self) -> ParsedEvent:
        dead_letters = self._list_dead_letters()
        if crowd := self._people.drop_crowds():
            reason = f"{crowd:,} numbers and user ids would belong to one person: they are not connected"
            dead_letters = [*dead_letters, DeadLetter(self._body, reason)]
        return ParsedEvent(
            evidence=tuple(self._evidence),
            template_events=tuple(self._template_events),
            account_events=tuple(self._account_events),
            optouts=tuple(self._optouts),
            optout_replies=tuple(self._optout_replies),
            replies=tuple(self._replies),
            people=self._people,
            _optout_bodies=tuple(self._optout_bodies),
            _reply_bodies=tuple(self._reply_bodies),
            dead_letters=tuple(dead_letters),
            ignored=self._ignored,
            _body=self._body,
            _rules=self._rules,
        )

    def read_envelope(self, envelope: object, path: str) -> None:
        try:
            entries = read_list(_demand_object(envelope).get("entry"), "entry")
        except UnusableError as error:
            self._dead_letter(dump_json([envelope] if path else envelope), path.rstrip("."), error)
            return
        if not entries:
            self._ignore("empty", "entry")
        for index, entry in enumerate(entries):
            self._read_entry(entry, f"{path}entry[{index}]")

    def _read_entry(self, entry: object, path: str) -> None:
        try:
            content = _demand_object(entry)
            changes = read_list(content.get("changes"), "changes")
            place = _Entry(read_id(content.get("id"), "id"), _read_frame(content))
        except UnusableError as error:
            self._dead_letter(_wrap_entry(entry), path, error)
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
            self._dead_letter(_wrap(entry.frame, change), path, error)

    def _read_event(self, name: str, value: dict[str, Any], entry: _Entry) -> None:
        if name == TEMPLATE_FIELD and not is_quality_update(name, value):
            self._template_events.append(read_template_event(value, entry.waba_id, entry.read_time()))
        else:
            self._account_events.append(read_account_event(name, value, entry.waba_id, entry.read_time()))

    def _read_messages(self, value: dict[str, Any], entry: _Entry, path: str) -> None:
        metadata = read_object(value.get("metadata"), "value.metadata")
        phone_number_id = read_id(metadata.get("phone_number_id"), "value.metadata.phone_number_id")
        number = _Number(entry, phone_number_id, metadata)
        is_empty = True
        for key, read in (
            ("statuses", self._read_statuses),
            ("messages", self._read_answers),
            ("errors", self._read_account_errors),
        ):
            if part := value.get(key):
                is_empty = False
                try:
                    read(part, number, f"{path}.{key}")
                except UnusableError as error:
                    self._dead_letter(number.wrap(key, part), f"{path}.{key}", error)
        if is_empty:
            self._ignore("field", "messages")

    def _read_statuses(self, part: object, number: _Number, path: str) -> None:
        for index, status in enumerate(read_list(part, "")):
            try:
                evidence = self._read_status(_demand_object(status), number)
            except UnusableError as error:
                self._dead_letter(number.wrap("statuses", [status]), f"{path}[{index}]", error)
            else:
                if evidence is not None:
                    self._evidence.append(evidence)
                    if self._status_bodies is not None:
                        self._status_bodies.append(_wrap_status(status, number))

    def _read_status(self, status: dict[str, Any], number: _Number) -> Evidence | None:
        """Return the evidence, or None for a status that is counted and ignored."""
        name = status.get("status")
        kind = status.get("type") or "message"
        if not isinstance(name, str):
            raise UnusableError("status", f"not a string: {quote(name)}")
        if kind != "message":  # the status of a call or a payment, not of the message
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
                self._dead_letter(number.wrap("messages", [message]), f"{path}[{index}]", error)
                continue
            reply = read_reply(message, number.phone_number_id, number.display_phone_number)
            if optout is not None:
                self._optouts.append(optout)
                self._optout_bodies.append(number.wrap("messages", [message]))
                self._optout_replies += [reply] if reply else []
            elif reply is not None:
                self._replies.append(reply)
                self._reply_bodies.append(number.wrap("messages", [strip_content(message)]))
            else:
                self._ignore("message", message.get("type") if isinstance(message, dict) else quote(message))

    def _read_preferences(self, value: dict[str, Any], entry: _Entry, path: str) -> None:
        preferences = read_list(value.get(PREFERENCES_FIELD), f"value.{PREFERENCES_FIELD}")
        if not preferences:
            self._ignore("field", PREFERENCES_FIELD)
        for index, preference in enumerate(preferences):
            body = _wrap(entry.frame, {"field": PREFERENCES_FIELD, "value": {PREFERENCES_FIELD: [preference]}})
            try:
                optout = read_preference(_demand_object(preference))
            except UnusableError as error:
                self._dead_letter(body, f"{path}.{PREFERENCES_FIELD}[{index}]", error)
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
        key = f"{kind}:{read_text(name, _MAX_KIND_CHARACTERS) or 'none'}"
        self._ignored[key] = self._ignored.get(key, 0) + 1

    def _dead_letter(self, piece: bytes, path: str, error: UnusableError) -> None:
        self._dead_letter_count += 1
        self._dead_letter_bytes += len(piece)
        if self._dead_letters and self._are_dead_letters_too_long:
            del self._dead_letters[1:]
            return
        place = ".".join(part for part in (path, error.where) if part)
        self._dead_letters.append(DeadLetter(piece, f"{place}: {error.why}" if place else error.why))

    @property
    def _are_dead_letters_too_long(self) -> bool:
        return self._dead_letter_bytes > _MAX_DEAD_LETTER_RATIO * len(self._body) + _DEAD_LETTER_BYTES

    def _list_dead_letters(self) -> list[DeadLetter]:
        if not self._are_dead_letters_too_long:
            return self._dead_letters
        first = self._dead_letters[0]
        return [DeadLetter(self._body, f"{first.reason} (the first of {self._dead_letter_count} such parts)")]


def _wrap_status(status: object, number: _Number) -> bytes:
    metadata = {"phone_number_id": number.phone_number_id}
    value = {"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]}
    return _wrap({"id": number.entry.waba_id}, {"field": "messages", "value": value})


def _read_frame(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the id and the time of an entry. A value of `time` that cannot be a time is left out.

    The frame is copied into each piece of the entry, so the size of the frame must be bounded.
    """
    frame = {key: entry[key] for key in ("id", "time") if key in entry}
    time = frame.get("time")
    if isinstance(time, dict | list) or (isinstance(time, str | int) and len(str(time)) > MAX_QUOTE_CHARACTERS):
        del frame["time"]
    return frame


def _demand_object(part: object) -> dict[str, Any]:
    if not isinstance(part, dict):
        raise UnusableError("", f"not an object: {quote(part)}")
    return part


def _name_field(change: dict[str, Any]) -> str:
    """Return the field of a change. A change that has statuses and names no field counts as `messages`."""
    name = change.get("field")
    if name is None:
        value = change.get("value")
        return "messages" if isinstance(value, dict) and "statuses" in value else ""
    if not isinstance(name, str):
        raise UnusableError("field", f"not a string: {quote(name)}")
    return name
