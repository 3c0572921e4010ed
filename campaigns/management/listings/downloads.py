"""Returns long lists as the pages of a file. An audit event is committed before the first row is read."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.domain.optout.recognition import Source
from campaigns.domain.users.actor import Act, Actor
from campaigns.store.database import Database
from campaigns.store.optouts.suppressions import page_suppressions
from campaigns.store.users.audit import AuditFilter, mask_event, page_audit, write_audit

_PAGE = 5_000

SUPPRESSION_COLUMNS = ("person", "source", "since", "detail")
AUDIT_COLUMNS = (
    *("at", "actor", "kind", "surface", "what", "id", "before", "after", "reason", "network"),
    *("token_id", "request_id"),
)

Rows = list[tuple[object, ...]]


def export_suppressions(
    database: Database, sources: Sequence[Source], *, actor: Actor, time_zone: str
) -> Iterator[Rows]:
    """Return the active suppressions of these sources (none: of all), the newest first."""
    wanted = sorted(sources or Source)
    zone = ZoneInfo(time_zone)
    words = [str(each) for each in wanted]
    database.run(lambda connection: write_audit(connection, actor, Act.SUPPRESSION_EXPORT, after={"sources": words}))

    def read() -> Iterator[Rows]:
        key = None
        while page := database.run(page_suppressions, sources=wanted, pattern=None, before=key, limit=_PAGE):
            yield [(row.recipient_key, row.source, _write_time(row.at, zone), row.detail or "") for row in page]
            key = (page[-1].at, page[-1].recipient_key, page[-1].source)

    return read()


def export_audit(
    database: Database, chosen: AuditFilter, *, actor: Actor, time_zone: str, has_phones: bool
) -> Iterator[Rows]:
    """Return the events of the audit that a filter chooses, the newest first.

    `has_phones`: the person who gets the list may see phones; else they are masked.
    """
    zone = ZoneInfo(time_zone)
    after = asdict(chosen)
    database.run(lambda connection: write_audit(connection, actor, Act.AUDIT_EXPORT, after=after))

    def read() -> Iterator[Rows]:
        key = None
        while page := database.run(page_audit, chosen, before=key, limit=_PAGE):
            yield [
                (
                    _write_time(row.at, zone),
                    row.actor,
                    row.actor_kind,
                    row.surface or "",
                    row.what,
                    "" if row.target_id is None else row.target_id,
                    _write_json(row.before),
                    _write_json(row.after),
                    row.reason or "",
                    row.network or "",
                    "" if row.token_id is None else row.token_id,
                    row.request_id or "",
                )
                for row in (page if has_phones else map(mask_event, page))
            ]
            key = (page[-1].at, page[-1].id)

    return read()


def _write_json(value: dict[str, Any] | None) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _write_time(at: dt.datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(timespec="seconds")
