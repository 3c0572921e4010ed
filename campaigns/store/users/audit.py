"""The audit: one row for each change that a person makes, written in the transaction of the change."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from campaigns.domain.phone.mask import mask_numbers
from campaigns.domain.statement import Sentence
from campaigns.domain.users.actor import Act, Actor
from campaigns.logs import mask_phones
from campaigns.store.database import Connection, query

# The schema refuses to delete a younger row.
MIN_AUDIT_DAYS = 365
# The names of values that are texts of people or names of files, both of which may have phones in any notation.
_TYPED = frozenset({"detail", "file"})
# The values of a template, in the content of a campaign. The audit keeps them as they are.
_PARAMETERS = "parameters"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """`target_id`: the id of the thing that `what` names before its dot; None if the change concerns no single thing.

    `before` and `after` have the values that the change has replaced and written. None: there are no such values.
    `token_id` and `request_id`: those of a request of the API; None for another change.
    """

    id: int
    at: dt.datetime
    actor: str
    actor_kind: str
    surface: str | None
    what: str
    target_id: int | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None
    network: str | None
    token_id: int | None
    request_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which events to return; None: the value does not matter. `since`: events from this time on. `until`: events
    before this time.
    """

    actor: str | None = None
    campaign_id: int | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    what: Act | None = None


def write_audit(
    connection: Connection,
    actor: Actor,
    act: Act,
    target_id: int | None = None,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Write an audit event about a change by the actor. With both `before` and `after`, equal values are left out.

    The caller gives no token, no password and no text of a person's answer. Phones are masked here, because names and
    reasons may contain some, and a row cannot be changed when the person is forgotten.
    """
    before, after = _mask_typed(act, before), _mask_typed(act, after)
    if before is not None and after is not None:
        before, after = _keep_changes(before, after), _keep_changes(after, before)
    connection.execute(
        query("write_audit"),
        {
            "actor": mask_phones(actor.name),
            "actor_kind": actor.kind.value,
            "surface": None if actor.surface is None else actor.surface.value,
            "what": act.value,
            "target_id": target_id,
            "before": None if before is None else Jsonb(before, _dump),
            "after": None if after is None else Jsonb(after, _dump),
            "reason": None if actor.reason is None else mask_numbers(actor.reason),
            "network": actor.network,
            "token_id": actor.token_id,
            "request_id": actor.request_id,
        },
    )


def page_audit(
    connection: Connection, chosen: AuditFilter, *, before: tuple[dt.datetime, int] | None, limit: int
) -> list[AuditEvent]:
    """Return events, the newest first. `before`: only events behind this key (time, id) in the order."""
    at, last_id = before or (None, None)
    parameters = {
        "actor": chosen.actor,
        "campaign_id": chosen.campaign_id,
        "since": chosen.since,
        "until": chosen.until,
        "what": None if chosen.what is None else chosen.what.value,
        "at": at,
        "last_id": last_id,
        "limit": limit,
    }
    statement = query("page_audit" if chosen.campaign_id is None else "page_audit_of_campaign")
    with connection.cursor(row_factory=class_row(AuditEvent)) as cursor:
        return cursor.execute(statement, parameters).fetchall()


# The kinds of things whose names `find_names` returns.
_NAMED = ("account", "campaign", "portfolio", "template", "token", "user")


def find_names(connection: Connection, ids: Mapping[str, Collection[int]]) -> dict[tuple[str, int], str]:
    """Return the names of things by their kind and id. `ids`: the ids by kind. A thing that was deleted has no name."""
    parameters = {kind: sorted(ids.get(kind, ())) for kind in _NAMED}
    return {(kind, id_): name for kind, id_, name in connection.execute(query("find_names"), parameters)}


def erase_audit(connection: Connection, *, days: int) -> int:
    """Delete the events that are older than `days`; return their number."""
    return connection.execute(query("erase_audit"), {"days": max(days, MIN_AUDIT_DAYS)}).rowcount


def mask_event(event: AuditEvent) -> AuditEvent:
    """Return an event for people who may not see phones. Older versions have written some phones into the audit."""
    return replace(
        event,
        before=_mask_typed(event.what, event.before, _PARAMETERS),
        after=_mask_typed(event.what, event.after, _PARAMETERS),
        reason=None if event.reason is None else mask_numbers(event.reason),
    )


def _mask_typed(what: str, values: Mapping[str, Any] | None, *more: str) -> dict[str, Any] | None:
    """Return values with masked phones in those that people typed, and in those with the names `more`."""
    if values is None:
        return None
    typed = _TYPED.union(more, {"name"} if what.startswith("upload.") else ())
    return {name: _mask(value) if name in typed else value for name, value in values.items()}


def _mask(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _mask(each) for name, each in value.items()}
    return mask_numbers(value) if isinstance(value, str) else value


def _keep_changes(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in other or other[name] != value}


def _write_value(value: Any) -> str:
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.time | dt.date):
        return value.isoformat()
    if isinstance(value, Sentence):
        return str(value)
    raise TypeError(type(value).__name__)


def _dump(value: Any) -> str:
    return mask_phones(json.dumps(value, ensure_ascii=False, default=_write_value))
