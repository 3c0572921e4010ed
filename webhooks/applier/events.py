"""Reads the webhook fields about accounts and templates into events."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.applier.json_fields import UnusableError, read_id, read_text, summarize

TEMPLATE_FIELD = "message_template_status_update"
QUALITY_FIELD = "message_template_quality_update"
CATEGORY_FIELD = "template_category_update"
COMPONENTS_FIELD = "message_template_components_update"

# An operator is shown each event of these webhook fields.
ACCOUNT_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        COMPONENTS_FIELD,
        "phone_number_quality_update",
        CATEGORY_FIELD,
        QUALITY_FIELD,
    }
)

_MAX_WORD_CHARACTERS = 100
_MAX_BODY_CHARACTERS = 4096  # longer than any body that Meta allows


@dataclass(frozen=True, slots=True)
class TemplateEvent:
    """A change of a template's status. `event` is upper-case (APPROVED, PAUSED …), `language` is like `en_US`.

    `title` names the pause (FIRST_PAUSE, UNPAUSE …). `reason` is "" if Meta's reason is NONE. `at` is None if Meta sent
    no time.
    """

    waba_id: str
    template_id: str
    name: str
    language: str
    event: str
    reason: str
    title: str
    at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class AccountEvent:
    """A change of a WABA, of a number, or of a template (not of its status). `summary` can be stored as `jsonb`.

    `field` is Meta's name of the webhook field. An error that belongs to no single message has the field `messages`.
    `event` names the change in upper case (DISABLED_UPDATE, FLAGGED, YELLOW …), or is "". `template`: the name and the
    language of the template that the event concerns, or None. `body`: after an edit of the template, the new text of
    the template's body, else "".
    """

    field: str
    event: str
    waba_id: str
    phone_number_id: str
    display_phone_number: str
    summary: Mapping[str, Any]
    at: dt.datetime | None
    template: tuple[str, str] | None = None
    body: str = ""


def is_quality_update(field: str, value: Mapping[str, Any]) -> bool:
    """Return whether a value reports a template's quality.

    The field alone does not tell, because Meta's example of a quality report names the field of a status update.
    """
    return field == QUALITY_FIELD or (field == TEMPLATE_FIELD and "new_quality_score" in value and "event" not in value)


def read_template_event(value: Mapping[str, Any], waba_id: str, at: dt.datetime | None) -> TemplateEvent:
    """Read a status update. Raises UnusableError if the update does not name the template or the event."""
    rejection, other = value.get("rejection_info"), value.get("other_info")
    reason = read_text(value.get("reason"))
    if reason in ("", "NONE"):
        reason = read_text(rejection.get("reason")) if isinstance(rejection, dict) else ""
    return TemplateEvent(
        waba_id=waba_id,
        template_id=read_id(value.get("message_template_id"), "value.message_template_id"),
        name=_demand_word(value, "message_template_name"),
        language=_demand_word(value, "message_template_language").replace("-", "_"),
        event=_demand_word(value, "event").upper(),
        reason=reason,
        title=read_text(other.get("title"), _MAX_WORD_CHARACTERS) if isinstance(other, dict) else "",
        at=at,
    )


def _demand_word(value: Mapping[str, Any], key: str) -> str:
    word = read_id(value.get(key), f"value.{key}").strip()
    if not word:
        raise UnusableError(f"value.{key}", "missing")
    return word


def read_account_event(field: str, value: Mapping[str, Any], waba_id: str, at: dt.datetime | None) -> AccountEvent:
    """Read the value of one of `ACCOUNT_FIELDS`. Raises UnusableError if an id in the value is invalid."""
    waba_info = value.get("waba_info")  # names the WABA in an event about a partner; the entry has the partner's id
    own_waba_id = read_id(waba_info.get("waba_id"), "value.waba_info.waba_id") if isinstance(waba_info, dict) else ""
    key = "entity_id" if value.get("entity_type") == "PHONE_NUMBER" else "phone_number_id"
    return AccountEvent(
        field=QUALITY_FIELD if is_quality_update(field, value) else field,
        event=_name_event(value),
        waba_id=own_waba_id or waba_id,
        phone_number_id=read_id(value.get(key), f"value.{key}"),
        display_phone_number=read_text(
            value.get("display_phone_number") or value.get("phone_number"), _MAX_WORD_CHARACTERS
        ),
        summary=summarize(value),
        at=at,
        template=_read_template_name(value),
        body=read_text(value.get("message_template_element"), _MAX_BODY_CHARACTERS),
    )


def _read_template_name(value: Mapping[str, Any]) -> tuple[str, str] | None:
    name, language = (read_text(value.get(f"message_template_{key}"), 512) for key in ("name", "language"))
    return (name, language.replace("-", "_")) if name and language else None


def read_account_errors(
    errors: object, metadata: Mapping[str, Any], waba_id: str, at: dt.datetime | None
) -> AccountEvent:
    """Read errors that concern a phone number as a whole, not a single message (the codes 130429, 131042 …)."""
    return AccountEvent(
        field="messages",
        event="ERROR",
        waba_id=waba_id,
        phone_number_id=read_id(metadata.get("phone_number_id"), "value.metadata.phone_number_id"),
        display_phone_number=read_text(metadata.get("display_phone_number"), _MAX_WORD_CHARACTERS),
        summary={"errors": summarize(errors)},
        at=at,
    )


def _name_event(value: Mapping[str, Any]) -> str:
    alert = value.get("alert_info")
    alert_type = (alert if isinstance(alert, dict) else value).get("alert_type")
    words = (value.get("event"), value.get("decision"), value.get("new_quality_score"), alert_type)
    return next((read_text(word, _MAX_WORD_CHARACTERS).upper() for word in words if word), "")
