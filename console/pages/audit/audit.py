"""The list of the audit, with filters in the address, and the same list as a file."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import Flask, abort, render_template, request, url_for
from flask.wrappers import Response
from markupsafe import Markup

from campaigns.domain.users.actor import Act
from campaigns.domain.users.rights import Right
from campaigns.management.listings.changes import find_names_of
from campaigns.management.listings.downloads import AUDIT_COLUMNS, export_audit
from campaigns.management.listings.pages import AuditKey, page_audit
from campaigns.sheets.csv_writer import stream_csv
from campaigns.store.users.audit import AuditEvent, AuditFilter, mask_event
from console.context import actor, may, parts, user
from console.pages.audit.values import ShownChange, list_shown
from console.pages.audit.words import act_sentence, list_acts, way_words
from console.rights import demands
from console.texts import _

_FIELDS = ("actor", "what", "campaign", "since", "until")
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True, slots=True)
class EventView:
    """`sentence`: what happened. `changes`: the values that were changed, besides those in the sentence."""

    event: AuditEvent
    sentence: Markup
    changes: list[ShownChange]


def register(app: Flask) -> None:
    app.jinja_env.globals.update(way_words=way_words)
    app.add_url_rule("/audit", "audit", show, methods=["GET"])
    app.add_url_rule("/audit.csv", "download_audit", download, methods=["GET"])


@demands(Right.SEE)
def show() -> str | tuple[str, int]:
    typed = {name: request.args.get(name, "").strip() for name in _FIELDS}
    chosen, problems = _read_filter(typed)
    if problems:
        return _render([], typed, problems, None), 422
    page = page_audit(parts().database, chosen, after=_read_key(request.args.get("after", "")))
    following = None
    if page.next_key is not None:
        after = f"{page.next_key[0].astimezone(dt.UTC).isoformat()},{page.next_key[1]}"
        following = url_for("audit", **(_keep(typed) | {"after": after}))  # type: ignore[arg-type]
    rows = page.rows if may(Right.PHONES_SEE) else [mask_event(each) for each in page.rows]
    names = find_names_of(parts().database, rows)
    events = [EventView(each, act_sentence(each, names), list_shown(each, names)) for each in rows]
    return _render(events, typed, {}, following)


@demands(Right.SEE)
def download() -> Response:
    """Return all events that the filter chooses as a CSV file, and write an audit event about the download."""
    chosen, problems = _read_filter({name: request.args.get(name, "").strip() for name in _FIELDS})
    if problems:
        abort(400)
    has_phones = may(Right.PHONES_SEE)
    rows = export_audit(parts().database, chosen, actor=actor(), time_zone=user().time_zone, has_phones=has_phones)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"'}
    return Response(stream_csv(AUDIT_COLUMNS, rows), mimetype="text/csv", headers=headers)


def _read_filter(typed: dict[str, str]) -> tuple[AuditFilter, dict[str, str]]:
    """Return the filter, and what is wrong by field."""
    problems: dict[str, str] = {}
    campaign_id = what = None
    if typed["what"]:
        if typed["what"] not in set(Act):
            abort(400)
        what = Act(typed["what"])
    if text := typed["campaign"]:
        if text.isascii() and text.isdigit() and int(text) < 2**63:
            campaign_id = int(text)
        else:
            problems["campaign"] = _("The number of a campaign has digits only, such as 7.")
    since, until = (_read_day(typed, name, problems) for name in ("since", "until"))
    chosen = AuditFilter(
        actor=typed["actor"].lower() or None,
        campaign_id=campaign_id,
        since=since,
        until=None if until is None else until + _DAY,
        what=what,
    )
    return chosen, problems


def _read_day(typed: dict[str, str], name: str, problems: dict[str, str]) -> dt.datetime | None:
    """Return the beginning of the day that a person typed, on the person's clock; None if there is none."""
    if not typed[name]:
        return None
    try:
        day = dt.date.fromisoformat(typed[name])
        # The year 9999 has no next day.
        return dt.datetime.combine(min(day, dt.date.max - _DAY), dt.time(), ZoneInfo(user().time_zone))
    except ValueError:
        problems[name] = _("This is not a day of the calendar. Write it like 2026-12-31.")
        return None


def _read_key(text: str) -> AuditKey | None:
    if not text:
        return None
    at, _comma, number = text.partition(",")
    try:
        key = dt.datetime.fromisoformat(at), int(number)
    except ValueError:
        abort(400)
    if key[0].tzinfo is None or not 0 < key[1] < 2**63:
        abort(400)
    return key


def _keep(typed: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in typed.items() if value}


def _render(events: list[EventView], typed: dict[str, str], problems: dict[str, str], following: str | None) -> str:
    return render_template(
        "audit/audit.html",
        events=events,
        typed=typed,
        kept=_keep(typed),
        problems=problems,
        acts=list_acts(),
        following=following,
        is_filtered=any(typed.values()) or "after" in request.args,
        user=user(),
    )
