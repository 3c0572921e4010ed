"""The values of the audit in words: the names of fields, and the old and new value of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from campaigns.domain.account import explain_deactivation
from campaigns.domain.campaign import CampaignStatus
from campaigns.domain.message import Status
from campaigns.domain.optout.recognition import Source
from campaigns.domain.statement import deferred
from campaigns.domain.users.actor import Act
from campaigns.store.users.audit import AuditEvent
from console.context import user
from console.pages.audit.words import Names, find_count, list_acts
from console.texts import (
    _,
    category_word,
    local_time,
    message_word,
    number,
    role_labels,
    say,
    size,
    source_words,
    status_word,
    weekday,
)

NAMES: Mapping[str, str] = MappingProxyType({
    "account_ids": deferred("accounts"),
    "account_id": deferred("account"),
    "active": deferred("active"),
    "actor": deferred("person"),
    "added": deferred("counters"),
    "answer_count": deferred("answers"),
    "bytes": deferred("size"),
    "campaign_id": deferred("campaign"),
    "category": deferred("category"),
    "categories": deferred("categories that it did not send"),
    "changes": deferred("templates"),
    "code": deferred("code of the error"),
    "codes": deferred("codes of the errors"),
    "columns": deferred("columns of the list"),
    "components": deferred("text"),
    "copied_from": deferred("copy of"),
    "country": deferred("country"),
    "corrected_price_count": deferred("corrected prices"),
    "count": deferred("messages"),
    "currencies": deferred("currencies"),
    "current_count": deferred("tokens that had this key"),
    "daily_limit": deferred("daily limit"),
    "days": deferred("days"),
    "detail": deferred("detail"),
    "duplicate_count": deferred("duplicates"),
    "ended_days_ago": deferred("days since the end"),
    "ended_sessions": deferred("ended sessions"),
    "event_count": deferred("entries"),
    "event_id": deferred("event"),
    "expire_at": deferred("expires"),
    "export_count": deferred("deleted downloads"),
    "failure_limit": deferred("failures until it stops"),
    "fields": deferred("fields of webhooks"),
    "file": deferred("file"),
    "first_day": deferred("first day"),
    "from_id": deferred("from event"),
    "from_time": deferred("from"),
    "has_password": deferred("has a password"),
    "holidays": deferred("holidays"),
    "host": deferred("server of the receiver"),
    "interval_seconds": deferred("interval in seconds"),
    "is_enabled": deferred("may sign in"),
    "is_standing": deferred("standing campaign"),
    "language": deferred("language"),
    "last_day": deferred("last day"),
    "lifted_count": deferred("ended opt-outs"),
    "max_per_person": deferred("messages per person"),
    "message_count": deferred("messages"),
    "messages_per_second": deferred("messages per second"),
    "name": deferred("name"),
    "networks": deferred("networks of a token"),
    "new_count": deferred("new opt-outs"),
    "new_price_count": deferred("new prices"),
    "other_values_count": deferred("people who keep their earlier values"),
    "owner": deferred("user of a token"),
    "parameters": deferred("values for all"),
    "password": deferred("password"),
    "pause_after": deferred("messages until a pause"),
    "pause_seconds": deferred("pause in seconds"),
    "person_count": deferred("people"),
    "phone_count": deferred("phones"),
    "phone_number_id": deferred("id of the phone number"),
    "phone_number_ids": deferred("ids of the phone numbers"),
    "portfolio": deferred("portfolio"),
    "recipient_count": deferred("people"),
    "rejected_count": deferred("rejected rows"),
    "removed_price_count": deferred("removed prices"),
    "role": deferred("role"),
    "scheduled_at": deferred("scheduled for"),
    "scopes": deferred("what a token may do"),
    "sent_event_count": deferred("events"),
    "since": deferred("since"),
    "source_id": deferred("people of campaign"),
    "sources": deferred("how they opted out"),
    "start_within_seconds": deferred("starts within, in seconds"),
    "status": deferred("status"),
    "statuses": deferred("messages that were"),
    "suppression_count": deferred("opt-outs"),
    "template_id": deferred("template"),
    "test_id": deferred("test"),
    "time_zone": deferred("time zone"),
    "token": deferred("access token"),
    "token_count": deferred("tokens encrypted anew"),
    "types": deferred("types of events"),
    "uncertain_count": deferred("uncertain messages"),
    "unreadable": deferred("accounts with an unreadable token"),
    "until": deferred("until"),
    "upload_count": deferred("deleted lists"),
    "uses_recipient_zones": deferred("hours on the clock of each person"),
    "valid_from": deferred("valid from"),
    "waba_id": deferred("WhatsApp Business account"),
    "wants_updates": deferred("numbers change by themselves"),
    "was": deferred("reason why it was inactive"),
    "weekdays": deferred("days of the week"),
    "what": deferred("action"),
    "window_from": deferred("sends from"),
    "window_to": deferred("sends until"),
    "within_days": deferred("days of the limit per person"),
    "who": deferred("conditions"),
})  # fmt: skip
# Marks of the program that tell a person nothing.
HIDDEN = frozenset({"digest", "review_ids", "spared_ids"})


@dataclass(frozen=True, slots=True)
class ShownChange:
    """A changed value. `old` None: the event keeps no old value."""

    label: str
    old: str | None
    new: str


def list_shown(event: AuditEvent, names: Names) -> list[ShownChange]:
    """Return the changed values of an event in words, without those that its sentence has told."""
    before, after = event.before or {}, event.after or {}
    told = {find_count(event)}
    if not event.what.startswith("upload.") and ("name" not in before or "name" not in after):
        told.add("name")
    shown = []
    for name in (*after, *(each for each in before if each not in after)):
        if name in HIDDEN | told:
            continue
        new = _write(name, after.get(name), names)
        old = _write(name, before[name], names) if name in before else None
        if old is not None or after.get(name) not in (None, [], {}, ""):
            shown.append(ShownChange(name_words(name), old, new))
    return shown


def name_words(name: str) -> str:
    """Return the words for the name of a value. Another version may have written names that this one does not know."""
    return _(NAMES[name]) if name in NAMES else _("another value")


def _write(name: str, value: Any, names: Names) -> str:
    if value in (None, "", [], {}):
        return _("none")
    if name in _WRITERS:
        return _WRITERS[name](value, names)
    return _write_plain(value)


def _write_plain(value: Any) -> str:
    """Return a value whose name needs no words of its own."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list):
        return ", ".join(map(_write_plain, value))
    return str(value)


def _write_time(value: Any, _names: Names) -> str:
    try:
        return local_time(dt.datetime.fromisoformat(value), user().time_zone)
    except (TypeError, ValueError):
        return str(value)


def _write_clock(value: Any, _names: Names) -> str:
    return str(value)[:5]


def _write_status(value: Any, _names: Names) -> str:
    return status_word(value) if value in set(CampaignStatus) else str(value)


def _write_ids(kind: str) -> Callable[[Any, Names], str]:
    def write(value: Any, names: Names) -> str:
        ids = value if isinstance(value, list) else [value]
        return ", ".join(names.get((kind, each)) or f"{each}" for each in ids)

    return write


def _write_template_changes(value: Any, _names: Names) -> str:
    kinds = {"new": _("new"), "changed": _("changed"), "gone": _("gone")}
    return ", ".join(
        f"{each.get('name')} ({each.get('language')}): {kinds.get(each.get('kind'), '')}" for each in value
    )


def _write_counters(value: Any, _names: Names) -> str:
    def say_one(counter: str) -> str:
        return message_word(counter) if counter in set(Status) else _("others")

    return ", ".join(f"{say_one(each)} {change:+}" for each, change in value.items())


def _write_language(value: Any, _names: Names) -> str:
    return {"en": "English", "pt_BR": "Português"}.get(value, str(value))


def _write_detail(value: Any, _names: Names) -> str:
    return _("the person is being erased") if value == "forget" else str(value)


def _write_parameters(value: Any, _names: Names) -> str:
    column = _("a column")
    return ", ".join(f"{{{{{key}}}}}: {column if each is None else each}" for key, each in value.items())


_WRITERS: Mapping[str, Callable[[Any, Names], str]] = MappingProxyType({
    "account_ids": _write_ids("account"),
    "added": _write_counters,
    "bytes": lambda value, _names: size(value),
    "campaign_id": _write_ids("campaign"),
    "categories": lambda value, _names: ", ".join(
        f"{category_word(each)}: {say(explain_deactivation(why))}" for each, why in value.items()
    ),
    "changes": _write_template_changes,
    "code": lambda value, _names: str(value),
    "codes": lambda value, _names: ", ".join(map(str, value)),
    "components": lambda value, _names: " ".join(str(each.get("text") or "") for each in value),
    "copied_from": _write_ids("campaign"),
    "source_id": _write_ids("campaign"),
    "detail": _write_detail,
    "expire_at": _write_time,
    "from_time": _write_time,
    "language": _write_language,
    "parameters": _write_parameters,
    "password": lambda _value, _names: _("a new one"),
    "role": lambda value, _names: role_labels().get(value, value),
    "scheduled_at": _write_time,
    "since": _write_time,
    "sources": lambda value, _names: ", ".join(source_words(each) if each in set(Source) else each for each in value),
    "status": _write_status,
    "statuses": lambda value, _names: ", ".join(message_word(each) if each in set(Status) else each for each in value),
    "template_id": _write_ids("template"),
    "test_id": _write_ids("campaign"),
    "token": lambda _value, _names: _("a new one"),
    "until": _write_time,
    "was": lambda value, _names: str(say(explain_deactivation(value))),
    "weekdays": lambda value, _names: ", ".join(weekday(each) for each in value),
    "what": lambda value, _names: dict(list_acts()).get(value, "") if value in set(Act) else "",
    "window_from": _write_clock,
    "window_to": _write_clock,
})  # fmt: skip
