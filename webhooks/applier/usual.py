"""Reads the webhook bodies that Meta posts most often: statuses without failures, in fields of the documented types.

msgspec reads such a body directly into the types of this module, without dictionaries for its parts. `parse.py` reads
all other bodies. It would give the same result for the bodies that are read here, and a test compares the two.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal, NoReturn

from msgspec import MsgspecError, Raw, Struct
from msgspec.json import Decoder

from campaigns.whatsapp.callback import ANSWER, read_callback
from webhooks.applier.evidence import Evidence
from webhooks.applier.json_fields import UnusableError, read_id, read_text, read_time
from webhooks.applier.people import NOBODY, People, read_user_id
from webhooks.applier.statuses import MAX_WORD_CHARACTERS, STATUSES, read_recipient


class _Pricing(Struct, gc=False, frozen=True):
    billable: bool | None = None
    category: str = ""
    pricing_model: str = ""


class _Status(Struct, gc=False, forbid_unknown_fields=True):
    id: str
    status: Literal["sent", "delivered", "read"]
    timestamp: str
    recipient_id: str = ""
    recipient_user_id: str = ""
    recipient_parent_user_id: str = ""
    biz_opaque_callback_data: str = ""
    pricing: _Pricing = _Pricing()
    conversation: Raw = Raw()


class _Contact(Struct, gc=False, forbid_unknown_fields=True):
    wa_id: str = ""
    user_id: str = ""
    parent_user_id: str = ""
    profile: Raw = Raw()


class _Metadata(Struct, gc=False):
    phone_number_id: str


class _Value(Struct, gc=False, forbid_unknown_fields=True):
    metadata: _Metadata
    statuses: list[_Status]
    contacts: list[_Contact] = []
    messaging_product: Raw = Raw()


class _Change(Struct, gc=False):
    field: Literal["messages"]
    value: _Value


class _Entry(Struct, gc=False):
    id: str
    changes: list[_Change]


class _Body(Struct, gc=False):
    entry: list[_Entry]


_decode = Decoder(_Body).decode


def read_usual(body: bytes) -> tuple[list[Evidence], People] | None:
    """Return the statuses of a usual body, and the people whom it names. None: the body is not usual."""
    evidence: list[Evidence] = []
    people = NOBODY
    try:
        for entry in _decode(body).entry:
            waba_id = read_id(entry.id, "id")
            for change in entry.changes or _refuse():
                people = _read_value(change.value, waba_id, evidence, people)
    except (MsgspecError, UnusableError, UnicodeDecodeError):
        return None
    return (evidence, people) if evidence and not (people and people.drop_crowds()) else None


def _read_value(value: _Value, waba_id: str, evidence: list[Evidence], people: People) -> People:
    """Add the statuses and the people of one change, and return the people. `NOBODY` is not changed, but replaced.

    Raises UnusableError if the statuses are not usual.
    """
    phone_number_id = read_id(value.metadata.phone_number_id, "phone_number_id")
    at = None
    for status in value.statuses or _refuse():
        if not status.id or status.biz_opaque_callback_data == ANSWER:
            _refuse()
        at = read_time(status.timestamp, "timestamp")
        pricing = status.pricing
        evidence.append(
            Evidence(
                status=STATUSES[status.status],
                wamid=read_id(status.id, "id"),
                at=at,
                phone_number_id=phone_number_id,
                waba_id=waba_id,
                callback=read_callback(status.biz_opaque_callback_data),
                recipient=read_recipient(status.recipient_id),
                pricing_category=read_text(pricing.category, MAX_WORD_CHARACTERS),
                pricing_model=read_text(pricing.pricing_model, MAX_WORD_CHARACTERS),
                is_billable=pricing.billable,
            )
        )
        if status.recipient_user_id or status.recipient_parent_user_id:
            user_ids = (status.recipient_user_id, status.recipient_parent_user_id)
            people = _connect(people, status.recipient_id, user_ids, at)
    for contact in value.contacts:
        if contact.user_id or contact.parent_user_id:
            people = _connect(people, contact.wa_id, (contact.user_id, contact.parent_user_id), at)
    return people


def _connect(people: People, number: str, user_ids: tuple[str, ...], at: dt.datetime | None) -> People:
    if people is NOBODY:
        people = People()
    people.connect(number, [read_user_id(each, "") for each in user_ids], at)
    return people


def _refuse() -> NoReturn:
    raise UnusableError("", "not usual")
