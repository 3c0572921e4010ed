"""Decides what the account and template fields of a webhook say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webhooks.applier.json_fields import UnusableError, read_id, read_text, summarize

TEMPLATE_FIELD = "message_template_status_update"
QUALITY_FIELD = "message_template_quality_update"
CATEGORY_FIELD = "template_category_update"

# Shown to the operator, and some of them end or start a waiting reason.
ACCOUNT_FIELDS = frozenset(
    {
        "account_alerts",
        "account_review_update",
        "account_update",
        "business_capability_update",
        "message_template_components_update",
        "phone_number_quality_update",
        CATEGORY_FIELD,
        QUALITY_FIELD,
    }
)

_MAX_WORD_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class TemplateEvent:
    """A template changed its status: `event` is upper-case (APPROVED, PAUSED …), `language` like `en_US`.

    `title` says which pause it is (FIRST_PAUSE, UNPAUSE …); `reason` is "" where Meta says NONE. `at` is None when
    Meta sent no time.
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
    """Something happened to a WABA, a number, or a template's quality. `summary` can be stored as `jsonb`.

    `field` is Meta's; `messages` stands for an error that Meta reports for no message in particular.
    `event` is the one word that names it, upper-case (DISABLED_UPDATE, FLAGGED, YELLOW …), or "".
    """

    field: str
    event: str
    waba_id: str
    phone_number_id: str
    display_phone_number: str
    summary: Mapping[str, Any]
    at: dt.datetime | None


def is_quality_update(field: str, value: Mapping[str, Any]) -> bool:
    """Tell a template's quality from its status: Meta's own example of the first bears the name of the second."""
    return field == QUALITY_FIELD or (field == TEMPLATE_FIELD and "new_quality_score" in value and "event" not in value)


def read_template_event(value: Mapping[str, Any], waba_id: str, at: dt.datetime | None) -> TemplateEvent:
    """Read a status update. Raises UnusableError when it does not say which template, or what happened to it."""
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
    """Read any of `ACCOUNT_FIELDS`. Raises UnusableError when an id in it is none."""
    waba_info = value.get("waba_info")  # a partner's event names the partner in the entry, and the WABA here
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
    )


def read_account_errors(
    errors: object, metadata: Mapping[str, Any], waba_id: str, at: dt.datetime | None
) -> AccountEvent:
    """Read the errors beside the statuses: the number's, for no message in particular (130429, 131042 …)."""
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
