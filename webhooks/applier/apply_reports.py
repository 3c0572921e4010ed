"""Writes the reports of webhooks about accounts and templates, and prepares the log lines and alerts about them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaigns.alerts import Alerts
from campaigns.domain.filling import describe_form
from campaigns.domain.template import TemplateStatus, read_template_status
from campaigns.logs import event
from campaigns.store import events
from campaigns.store.database import Connection
from webhooks.applier.events import CATEGORY_FIELD, COMPONENTS_FIELD, QUALITY_FIELD, AccountEvent, TemplateEvent

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ReportResult:
    """The result of one report.

    `to_enqueue`: the ids of the campaigns whose wait for a template has ended. `to_report`: functions that write the
    log lines and send the alerts; they are called after the commit.
    """

    to_enqueue: list[int] = field(default_factory=list)
    to_report: list[Callable[[Alerts], None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of one property of a template, in words for an operator. `ids`: the ids of the changed rows."""

    ids: list[int]
    what: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.what} {self.old or 'unknown'} → {self.new}"


def write_template_event(connection: Connection, reported: TemplateEvent, *, retry_seconds: float) -> ReportResult:
    """Write a new status of a template. If the new status is `approved`, campaigns that wait for the template go on."""
    result = ReportResult()
    status = read_template_status(reported.event)
    if status is None:
        return result
    old = events.write_template_status(
        connection,
        reported.waba_id,
        reported.name,
        reported.language,
        status=status,
        at=reported.at,
        retry_seconds=retry_seconds,
    )
    if not old:
        return result
    if status is TemplateStatus.APPROVED:
        result.to_enqueue = events.wake_template_campaigns(connection, list(old))
    campaigns = events.find_template_campaigns(connection, reported.waba_id, reported.name, reported.language)
    reason = f" ({reported.reason or reported.title})" if reported.reason or reported.title else ""
    was = ", ".join(sorted(set(old.values())))
    text = f"Template {reported.name}:{reported.language} is {status}, says Meta{reason}; it was {was}"
    text += _name_campaigns(campaigns)
    facts = {"template": f"{reported.name}:{reported.language}", "old": was, "new": str(status), "campaigns": campaigns}
    is_bad_news = status is not TemplateStatus.APPROVED

    def report(alerts: Alerts) -> None:
        bound = event("template_status", template_ids=list(old), **facts)
        _log.log(logging.WARNING if is_bad_news else logging.INFO, text, extra=bound)
        if is_bad_news and campaigns and was != status:
            alerts.send("template_status", text, **facts)

    result.to_report.append(report)
    return result


def keep_account_event(connection: Connection, reported: AccountEvent) -> ReportResult:
    """Store an event for each account that the event concerns. If the event changes a template, write the change."""
    result = ReportResult()
    change = _write_change(connection, reported)
    if change is not None and change.ids and reported.field == COMPONENTS_FIELD:
        # A campaign that waits for the template tries one message with the new text. If the values of the recipients do
        # not fit the new text, the campaign waits again.
        result.to_enqueue = events.wake_template_campaigns(connection, change.ids)
    details = {"field": reported.field, "event": reported.event, **reported.summary}
    accounts = events.add_reported_events(
        connection, phone_number_id=reported.phone_number_id, waba_id=reported.waba_id, details=details
    )
    if not accounts:
        return result
    text, facts = _describe(connection, reported, change, accounts)

    def report(alerts: Alerts) -> None:
        _log.warning(text, extra=event("account_reported", **facts))
        alerts.send("account_reported", text, **facts)

    result.to_report.append(report)
    return result


def _describe(
    connection: Connection, reported: AccountEvent, change: _Change | None, accounts: Sequence[int]
) -> tuple[str, dict[str, Any]]:
    """Return the sentence about an event, and the facts that are bound to its log line."""
    facts: dict[str, Any] = {"accounts": list(accounts)}
    text = f"Meta reports {reported.field} {reported.event}".rstrip()
    text += f" for accounts {', '.join(map(str, accounts))}"
    if reported.template is None:
        return text, facts
    name, language = reported.template
    campaigns = events.find_template_campaigns(connection, reported.waba_id, name, language)
    facts |= {"template": f"{name}:{language}", "campaigns": campaigns}
    text += f": template {name}:{language}"
    if change is not None:
        text += f", {change}"
        facts |= {"old": change.old, "new": change.new}
    elif reported.field == COMPONENTS_FIELD:
        text += ", the stored text stays as it is"
    return text + _name_campaigns(campaigns), facts


def _name_campaigns(campaigns: Sequence[int]) -> str:
    return f"; campaigns {', '.join(map(str, campaigns))} send it" if campaigns else "; no campaign sends it now"


def _write_change(connection: Connection, reported: AccountEvent) -> _Change | None:
    """Write the new category, quality or body of a template; return the change.

    The result is None if the event reports no such change, or a body that changes no stored template: the template is
    unknown, or a synchronisation or a newer event has stored its text already.
    """
    if reported.template is None:
        return None
    name, language = reported.template
    if reported.field == COMPONENTS_FIELD:
        return _write_body(connection, reported, name, language) if reported.body else None
    if reported.field == CATEGORY_FIELD:
        what, new = "category", _read_word(reported, "new_category")
        told = _read_word(reported, "previous_category")
    elif reported.field == QUALITY_FIELD:
        what, new = "quality", _read_word(reported, "new_quality_score")
        told = _read_word(reported, "previous_quality_score")
    else:
        return None
    if not new:
        return None
    written = events.write_template_details(
        connection,
        reported.waba_id,
        name,
        language,
        quality=new if what == "quality" else None,
        category=new if what == "category" else None,
        at=reported.at,
    )
    known = [row.old_category if what == "category" else row.old_quality for row in written]
    return _Change([row.id for row in written], what, told or next((old for old in known if old != new), ""), new)


def _write_body(connection: Connection, reported: AccountEvent, name: str, language: str) -> _Change | None:
    written = events.write_template_body(
        connection, reported.waba_id, name, language, body=reported.body, at=reported.at
    )
    if not written:
        return None
    forms = [
        tuple(describe_form(name, language, components) for components in (row.old_components, row.components))
        for row in written
    ]
    for row_forms in forms:
        if row_forms[0] != row_forms[1]:
            return _Change([row.id for row in written], "values of each message", *row_forms)
    return _Change([row.id for row in written], "text", "as it was", "edited, with the same values")


def _read_word(reported: AccountEvent, key: str) -> str:
    value = reported.summary.get(key)
    return value.upper() if isinstance(value, str) else ""
